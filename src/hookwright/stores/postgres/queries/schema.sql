-- The steps that were carried out, and the nodes of older releases.

-- name: prepare
create table if not exists hookwright_schema (version integer primary key, name text not null, half text not null default 'expand')

-- name: steps
select version, half from hookwright_schema

-- name: applied
insert into hookwright_schema (version, name, half) values (?, ?, ?)

-- name: older
select epoch, release, schema from nodes where schema < cast(:number as integer) order by epoch
