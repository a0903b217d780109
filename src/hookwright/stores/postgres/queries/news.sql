-- News are written by triggers (see the schema), in the transaction of what they tell; times are the database's own.

-- name: recent
select id, kind, application, item from news
where at > cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - cast(:within_ms as bigint)
order by id desc limit :most

-- name: forget -- what everybody has read for long
delete from news where at < cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - 3600000
