-- Nodes and their leases. `seen_at` is the database's own time in Unix ms.

-- name: open_node -- unless a step was carried out that takes away what this release needs
insert into nodes (started_at, seen_at, release, schema)
select now_ms, now_ms, cast(:release as text), cast(:schema as integer)
from (select cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as now_ms) as clock
where not exists (select from hookwright_schema where half = 'contract' and version <> all(cast(:steps as integer[])))
returning epoch

-- name: no_contraction -- until the end of the transaction
select pg_advisory_xact_lock_shared(:lock)

-- name: renew
update nodes set seen_at = cast(extract(epoch from clock_timestamp()) * 1000 as bigint) where epoch = :epoch

-- name: end_silent -- those that have something under way, or that another is ending, are passed over
delete from nodes where epoch in (
  select epoch from nodes
  where epoch <> cast(:spared as bigint) and schema < cast(:below as integer)
    and seen_at <= cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - cast(:lease_ms as bigint)
  for update skip locked)
returning epoch

-- name: unlimited -- until the end of the transaction
set local statement_timeout = 0

-- name: free
update deliveries set owner = 0 where owner = any(cast(:epochs as bigint[]))

-- name: close
delete from nodes where epoch = :epoch

-- name: end_sessions -- 0 when they have ended
select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = any(cast(:sessions as text[]))
