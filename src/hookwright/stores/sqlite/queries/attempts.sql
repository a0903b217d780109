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
update attempts set response = cast('EXPUNGED' as blob), truncated = 0
where message = :message and id = :attempt and application = :application
