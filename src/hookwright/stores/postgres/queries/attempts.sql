-- What is written differently here: a row that is looked up is looked up in the day that its id names, and in no other.

-- name: by_endpoint_down
select
  a.id, a.endpoint, a.message, a.round, a.application, a.organization, a.trigger, a.number, a.url, a.event_type, a.channels, a.state,
  a.response_status, a.response, a.truncated, a.started_at, a.duration_ms
from (
  select message, id from attempts
  where endpoint = :endpoint and id >= :low and id < :high
    and (cast(:state as integer) is null or state = :state)
    and (cast(:status_class as integer) is null or response_status / 100 * 100 = :status_class)
    and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
    and (cast(:channel as text) is null or strpos(channels, :channel) > 0)
  order by id desc limit :limit
) as found
cross join lateral (
  select * from attempts as one where one.message = found.message and one.id = found.id and one.application = :application limit 1
) as a
order by a.id desc

-- name: by_endpoint_up
select
  a.id, a.endpoint, a.message, a.round, a.application, a.organization, a.trigger, a.number, a.url, a.event_type, a.channels, a.state,
  a.response_status, a.response, a.truncated, a.started_at, a.duration_ms
from (
  select message, id from attempts
  where endpoint = :endpoint and id >= :low and id < :high
    and (cast(:state as integer) is null or state = :state)
    and (cast(:status_class as integer) is null or response_status / 100 * 100 = :status_class)
    and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
    and (cast(:channel as text) is null or strpos(channels, :channel) > 0)
  order by id limit :limit
) as found
cross join lateral (
  select * from attempts as one where one.message = found.message and one.id = found.id and one.application = :application limit 1
) as a
order by a.id

-- name: expunge_responses -- which they are is asked once in all days, then each is looked up in its own
with found as materialized (
  select message, id from attempts
  where message in (select value from json_each(:messages)) and length(response) > 0 and response <> :expunged
  limit :limit
)
update attempts a set response = :expunged, truncated = 0 from found where a.message = found.message and a.id = found.id
