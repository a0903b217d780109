-- Dropping days (see `old_days.py`). `{table}` is the whole, `{day}` the one that goes.

-- name: days
select parent.relname, child.relname
from pg_inherits
join pg_class parent on parent.oid = inhparent
join pg_class child on child.oid = inhrelid
where inhparent = any(select to_regclass(name) from unnest(cast(?1 as text[])) as named (name))

-- name: any_content
select expires_at from {day} order by expires_at limit 1

-- name: more_live -- whether more messages of a range of ids than so many have live deliveries
select distinct message from deliveries where message >= ?1 and message < ?2 limit 1 offset ?3

-- name: drop_event_ids
delete from event_ids where (application, event_id) in (
  select application, event_id from event_ids e
  where message >= ?1 and message < ?2 and not exists (select 1 from deliveries d where d.message = e.message)
  order by message limit ?3)

-- name: left -- messages that are kept though their day is gone
select id from messages_other where id >= ?1 and id < ?2

-- name: more_left -- whether more rows than so many are of these messages
select 1 from unnest(cast(?1 as text[])) as kept (message) join {day} using (message) limit 1 offset ?2

-- name: by_lookups -- for the rest of a transaction: whatever it guesses about a table, it must not read the whole of it
select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: move_live
insert into {table}
select m.*
from (select distinct application, message from deliveries where message >= ?1 and message < ?2) as live
join {day} m on m.application = live.application and m.id = live.message

-- name: move
insert into {table} select d.* from unnest(cast(?1 as text[])) as kept (message) join {day} d on d.message = kept.message
