-- Every round of a message at an endpoint in one shape: an ended one has a state, a live one has none. Both are read from an index
-- in its own order, so nothing is sorted and reading can stop anywhere; `statuses.py` merges them.

-- name: ended_at_endpoint_down
select message, state, endpoint, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where endpoint = :endpoint and message >= :low and message < :high
order by message desc

-- name: ended_at_endpoint_up
select message, state, endpoint, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where endpoint = :endpoint and message >= :low and message < :high
order by message

-- name: live_at_endpoint_down
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where endpoint = :endpoint and message >= :low and message < :high
order by message desc

-- name: live_at_endpoint_up
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where endpoint = :endpoint and message >= :low and message < :high
order by message

-- name: undelivered_at_endpoint_down -- live, of messages that no round has delivered yet
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries as d
where endpoint = :endpoint and message >= :low and message < :high
  and not exists (select 1 from outcomes as o where o.endpoint = d.endpoint and o.message = d.message and o.state = 0)
order by message desc

-- name: undelivered_at_endpoint_up
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries as d
where endpoint = :endpoint and message >= :low and message < :high
  and not exists (select 1 from outcomes as o where o.endpoint = d.endpoint and o.message = d.message and o.state = 0)
order by message

-- name: ended_of_message_down
select endpoint, state, message, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where message = :message and endpoint >= :low and endpoint < :high
order by endpoint desc

-- name: ended_of_message_up
select endpoint, state, message, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where message = :message and endpoint >= :low and endpoint < :high
order by endpoint

-- name: live_of_message_down
select endpoint, null, message, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where message = :message and endpoint >= :low and endpoint < :high
order by endpoint desc

-- name: live_of_message_up
select endpoint, null, message, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where message = :message and endpoint >= :low and endpoint < :high
order by endpoint
