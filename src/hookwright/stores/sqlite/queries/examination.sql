-- What `doctor` asks of a database that nobody serves.

-- name: backlog -- live deliveries, those of them at disabled endpoints, and when the oldest of the others was due
select count(*),
       coalesce(sum(endpoints.disabled_reason is not null), 0),
       min(case when endpoints.disabled_reason is null then deliveries.due_at end)
from deliveries join endpoints on endpoints.id = deliveries.endpoint

-- name: disabled_endpoints
select count(*) from endpoints where disabled_reason is not null and deleted_at is null

-- name: newest_message
select max(created_at) from messages

-- name: holds_data -- whether there is anything that a lost key would shut in
select exists(select 1 from organizations)
