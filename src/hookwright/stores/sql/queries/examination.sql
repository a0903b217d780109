-- What `doctor` asks of a database itself.

-- name: backlog -- live deliveries, those of them at disabled endpoints, and when the oldest of the others was due
select count(*),
       count(endpoints.disabled_reason),
       min(case when endpoints.disabled_reason is null then deliveries.due_at end)
from deliveries join endpoints on endpoints.id = deliveries.endpoint

-- name: disabled_endpoints
select count(*) from endpoints where disabled_reason is not null and deleted_at is null
