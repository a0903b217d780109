-- News are written by triggers (see the schema), in the transaction of what they tell; times are the database's own:
-- that of the statement, for an index is not asked for what may be another at each row.

-- name: recent
select id, kind, application, item from news
where at > cast(extract(epoch from statement_timestamp()) * 1000 as bigint) - cast(:within_ms as bigint)
order by at desc limit :most

-- name: forget -- what everybody has read for long; what another process removes is left to it
delete from news where id in (
  select id from news where at < cast(extract(epoch from statement_timestamp()) * 1000 as bigint) - 3600000
  order by at limit :limit for update skip locked)

-- name: quietly -- to the end of the transaction; the trigger of contents looks for it
select set_config('hookwright.erasing', 'on', true)
