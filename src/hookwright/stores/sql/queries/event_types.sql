-- Event types, by name. Every select names the columns in the order that `_to_event_type` reads them.

-- name: insert
insert into event_types
  (organization, name, description, archived, deprecated, schemas, feature_flags, group_name, created_at, updated_at)
values
  (:organization, :name, :description, :archived, :deprecated, :schemas, :feature_flags, :group_name, :created_at, :updated_at)

-- name: update -- all but its creation time
update event_types set
  description = :description, archived = :archived, deprecated = :deprecated, schemas = :schemas,
  feature_flags = :feature_flags, group_name = :group_name, updated_at = :updated_at
where organization = :organization and name = :name

-- name: archive
update event_types set archived = 1, updated_at = :now where organization = :organization and name = :name returning name

-- name: expunge
delete from event_types where organization = :organization and name = :name returning name

-- name: find
select organization, name, description, archived, deprecated, schemas, feature_flags, group_name, created_at, updated_at
from event_types where organization = :organization and name = :name

-- name: list_up
select organization, name, description, archived, deprecated, schemas, feature_flags, group_name, created_at, updated_at
from event_types
where organization = :organization and name > :low and name < :high
order by name limit :limit

-- name: list_down
select organization, name, description, archived, deprecated, schemas, feature_flags, group_name, created_at, updated_at
from event_types
where organization = :organization and name > :low and name < :high
order by name desc limit :limit

-- name: unknown
select value from json_each(:names)
where value not in (select name from event_types where organization = :organization and archived = 0)
order by value
