-- The steps that were carried out, and the nodes of older releases.

-- name: prepare
create table if not exists hookwright_schema (version integer primary key, name text not null, half text not null default 'expand')

-- name: steps
select version, half from hookwright_schema

-- name: applied
insert into hookwright_schema (version, name, half) values (?, ?, ?)

-- name: end_older -- with what they hold, if they were silent
with ended as (
  delete from nodes where epoch in (
    select epoch from nodes
    where schema < cast(:number as integer) and seen_at <= cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - cast(:lease_ms as bigint)
    for update skip locked)
  returning epoch
)
update deliveries set owner = 0 from ended where owner = ended.epoch

-- name: older
select epoch, release, schema from nodes where schema < cast(:number as integer) order by epoch
