-- Every round of a message at an endpoint, ended or live, in one shape (an ended one has a state, a live one has none),
-- merged from two indexes in their own order: nothing is sorted, and reading can stop anywhere.

-- name: at_endpoint_down
select message, state, endpoint, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where endpoint = :endpoint and message >= :low and message < :high
union all
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where endpoint = :endpoint and message >= :low and message < :high
order by message desc

-- name: at_endpoint_up
select message, state, endpoint, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where endpoint = :endpoint and message >= :low and message < :high
union all
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where endpoint = :endpoint and message >= :low and message < :high
order by message

-- name: live_at_endpoint_down -- of messages that no round has delivered yet
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries as d
where endpoint = :endpoint and message >= :low and message < :high
  and not exists (select 1 from outcomes as o where o.endpoint = d.endpoint and o.message = d.message and o.state = 0)
order by message desc

-- name: live_at_endpoint_up
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries as d
where endpoint = :endpoint and message >= :low and message < :high
  and not exists (select 1 from outcomes as o where o.endpoint = d.endpoint and o.message = d.message and o.state = 0)
order by message

-- name: of_message_up
select endpoint, state, message, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where message = :message and endpoint >= :low and endpoint < :high
union all
select endpoint, null, message, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where message = :message and endpoint >= :low and endpoint < :high
order by endpoint

-- name: of_message_down
select endpoint, state, message, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where message = :message and endpoint >= :low and endpoint < :high
union all
select endpoint, null, message, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where message = :message and endpoint >= :low and endpoint < :high
order by endpoint desc
