-- Messages at an endpoint: candidates from an index in its own order, so nothing is sorted and reading can stop anywhere, then
-- every round of those. A round that ended has a state, a live one has none. `statuses.py` puts them together.

-- name: ended_at_endpoint_down -- `states`: the digits of those that are wanted; a filter on messages looks each of them up
select distinct message from outcomes as r
where endpoint = :endpoint and message >= :low and message < :high and instr(:states, cast(state as text)) > 0
  and (not :filtered or (
    select (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
      and (cast(:channel as text) is null or coalesce(instr(channels, :channel), 0) > 0)
    from messages as m where m.application = :application and m.id = r.message))
order by message desc limit :limit

-- name: ended_at_endpoint_up
select distinct message from outcomes as r
where endpoint = :endpoint and message >= :low and message < :high and instr(:states, cast(state as text)) > 0
  and (not :filtered or (
    select (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
      and (cast(:channel as text) is null or coalesce(instr(channels, :channel), 0) > 0)
    from messages as m where m.application = :application and m.id = r.message))
order by message limit :limit

-- name: live_at_endpoint_down
select distinct message from deliveries as r
where endpoint = :endpoint and message >= :low and message < :high
  and (not :filtered or (
    select (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
      and (cast(:channel as text) is null or coalesce(instr(channels, :channel), 0) > 0)
    from messages as m where m.application = :application and m.id = r.message))
order by message desc limit :limit

-- name: live_at_endpoint_up
select distinct message from deliveries as r
where endpoint = :endpoint and message >= :low and message < :high
  and (not :filtered or (
    select (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
      and (cast(:channel as text) is null or coalesce(instr(channels, :channel), 0) > 0)
    from messages as m where m.application = :application and m.id = r.message))
order by message limit :limit

-- name: ended_edge_down
select message from outcomes where endpoint = :endpoint and message >= :low and message < :high
order by message desc limit 1 offset :skipped

-- name: ended_edge_up
select message from outcomes where endpoint = :endpoint and message >= :low and message < :high
order by message limit 1 offset :skipped

-- name: live_edge_down
select message from deliveries where endpoint = :endpoint and message >= :low and message < :high
order by message desc limit 1 offset :skipped

-- name: live_edge_up
select message from deliveries where endpoint = :endpoint and message >= :low and message < :high
order by message limit 1 offset :skipped

-- name: ended_rounds
select message, state, endpoint, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from outcomes where endpoint = :endpoint and message in (select value from json_each(:messages))

-- name: live_rounds
select message, null, endpoint, round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries where endpoint = :endpoint and message in (select value from json_each(:messages))

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
