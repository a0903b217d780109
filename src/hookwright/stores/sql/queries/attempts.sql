-- Attempts, by message (the primary key) or by endpoint (its index). Ids sort by time.

-- name: find
select
  id, endpoint, message, round, application, organization, trigger, number, url, event_type, channels, state,
  response_status, response, truncated, started_at, duration_ms
from attempts
where message = :message and id = :attempt and application = :application

-- name: by_message_down
select
  id, endpoint, message, round, application, organization, trigger, number, url, event_type, channels, state,
  response_status, response, truncated, started_at, duration_ms
from attempts
where message = :message and id >= :low and id < :high and application = :application
  and (cast(:endpoint as text) is null or endpoint = :endpoint)
  and (cast(:state as integer) is null or state = :state)
  and (cast(:status_class as integer) is null or response_status / 100 * 100 = :status_class)
  and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
  and (cast(:channel as text) is null or instr(channels, :channel) > 0)
order by id desc limit :limit

-- name: message_edge_down
select id from attempts where message = :message and id >= :low and id < :high order by id desc limit 1 offset :skipped

-- name: by_message_up
select
  id, endpoint, message, round, application, organization, trigger, number, url, event_type, channels, state,
  response_status, response, truncated, started_at, duration_ms
from attempts
where message = :message and id >= :low and id < :high and application = :application
  and (cast(:endpoint as text) is null or endpoint = :endpoint)
  and (cast(:state as integer) is null or state = :state)
  and (cast(:status_class as integer) is null or response_status / 100 * 100 = :status_class)
  and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
  and (cast(:channel as text) is null or instr(channels, :channel) > 0)
order by id limit :limit

-- name: message_edge_up
select id from attempts where message = :message and id >= :low and id < :high order by id limit 1 offset :skipped

-- name: by_endpoint_down -- filters are judged in the index: a row is read when it is shown
select
  a.id, a.endpoint, a.message, a.round, a.application, a.organization, a.trigger, a.number, a.url, a.event_type, a.channels, a.state,
  a.response_status, a.response, a.truncated, a.started_at, a.duration_ms
from (
  select message, id from attempts indexed by attempts_endpoint
  where endpoint = :endpoint and id >= :low and id < :high
  and (cast(:state as integer) is null or state = :state)
    and (cast(:status_class as integer) is null or response_status / 100 * 100 = :status_class)
    and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
    and (cast(:channel as text) is null or instr(channels, :channel) > 0)
  order by id desc limit :limit
) as found
cross join attempts as a on a.message = found.message and a.id = found.id
where a.application = :application
order by a.id desc

-- name: endpoint_edge_down
select id from attempts indexed by attempts_endpoint where endpoint = :endpoint and id >= :low and id < :high order by id desc limit 1 offset :skipped

-- name: by_endpoint_up
select
  a.id, a.endpoint, a.message, a.round, a.application, a.organization, a.trigger, a.number, a.url, a.event_type, a.channels, a.state,
  a.response_status, a.response, a.truncated, a.started_at, a.duration_ms
from (
  select message, id from attempts indexed by attempts_endpoint
  where endpoint = :endpoint and id >= :low and id < :high
  and (cast(:state as integer) is null or state = :state)
    and (cast(:status_class as integer) is null or response_status / 100 * 100 = :status_class)
    and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
    and (cast(:channel as text) is null or instr(channels, :channel) > 0)
  order by id limit :limit
) as found
cross join attempts as a on a.message = found.message and a.id = found.id
where a.application = :application
order by a.id

-- name: endpoint_edge_up
select id from attempts indexed by attempts_endpoint where endpoint = :endpoint and id >= :low and id < :high order by id limit 1 offset :skipped

-- name: expunge_response
update attempts set response = :expunged, truncated = 0
where message = :message and id = :attempt and application = :application

-- name: expunge_responses -- of messages; an answer without a body has nothing to remove, and goes on saying so
update attempts set response = :expunged, truncated = 0
where (message, id) in (
  select message, id from attempts
  where message in (select value from json_each(:messages)) and length(response) > 0 and response <> :expunged
  limit :limit)
