-- What is written differently here: several processes mint ids, and commit in any order.

-- name: horizon -- `least` passes over null: no other transaction is under way. `now` is before the look at the others, not after it
select least(
  cast(extract(epoch from now()) * 1000 as bigint),
  (select cast(extract(epoch from min(xact_start)) * 1000 as bigint)
   from pg_stat_activity
   where datname = current_database() and application_name like 'hookwright %' and state <> 'idle' and pid <> pg_backend_pid())
) - cast(:settling_ms as bigint)
