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
order by id desc

-- name: by_message_up
select
  id, endpoint, message, round, application, organization, trigger, number, url, event_type, channels, state,
  response_status, response, truncated, started_at, duration_ms
from attempts
where message = :message and id >= :low and id < :high and application = :application
order by id

-- name: by_endpoint_down
select
  id, endpoint, message, round, application, organization, trigger, number, url, event_type, channels, state,
  response_status, response, truncated, started_at, duration_ms
from attempts
where endpoint = :endpoint and id >= :low and id < :high and application = :application
order by id desc

-- name: by_endpoint_up
select
  id, endpoint, message, round, application, organization, trigger, number, url, event_type, channels, state,
  response_status, response, truncated, started_at, duration_ms
from attempts
where endpoint = :endpoint and id >= :low and id < :high and application = :application
order by id

-- name: expunge_response
update attempts set response = :expunged, truncated = 0
where message = :message and id = :attempt and application = :application

-- name: expunge_responses -- of a message; an answer without a body has nothing to remove, and goes on saying so
update attempts set response = :expunged, truncated = 0
where message = :message and id in (
  select id from attempts where message = :message and length(response) > 0 and response <> :expunged limit :limit)
