-- expand: the row of a node says which release it is of, and up to which step it knows the schema
-- cost: a moment, whatever the size

alter table nodes add column release text not null default '', add column schema integer not null default 1;
