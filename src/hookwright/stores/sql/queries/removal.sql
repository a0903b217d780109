-- Removing whole messages, applications and endpoints, a few rows at a time.

-- name: next_application -- skips from one to the next: a seek each, however many messages they have
select min(application) from messages where application > :application

-- name: old_messages -- of one application; with whether something still needs them
select id, event_id,
       exists (select 1 from deliveries where message = messages.id) or exists (select 1 from contents where message = messages.id)
from messages
where application = :application and id > :message and id < :before
order by id limit :limit

-- name: messages_of -- of an application, whatever their age
select id, event_id from messages where application = :application order by id limit :limit

-- name: remove_attempts -- of a message
delete from attempts where message = :message and id in (select id from attempts where message = :message limit :limit)

-- name: remove_outcomes
delete from outcomes where message = :message and (endpoint, round) in (
  select endpoint, round from outcomes where message = :message limit :limit)

-- name: remove_event_id
delete from event_ids where application = :application and event_id = :event_id and message = :message

-- name: remove_message
delete from messages where application = :application and id = :message

-- name: remove_counters
delete from counters where (endpoint, hour) in (
  select endpoint, hour from counters indexed by counters_hour where hour < :hour order by hour limit :limit)

-- name: remove_recovers
delete from recovers where id in (select id from recovers indexed by recovers_done where done_at < :before order by done_at limit :limit)

-- name: remove_tasks
delete from tasks where id in (select id from tasks indexed by tasks_done where done_at < :before order by done_at limit :limit)

-- name: deleted_application -- the first whose deliveries are all canceled
select organization, id from applications indexed by applications_deleted
where deleted_at is not null and deleted_at < :before
  and not exists (select 1 from endpoints where application = applications.id and cleared_at is null)
order by id limit 1

-- name: endpoint_of
select id from endpoints where application = :application order by id limit 1

-- name: old_endpoint
select application, id from endpoints indexed by endpoints_cleared where cleared_at < :old order by cleared_at limit 1

-- name: endpoint_attempts
delete from attempts where (message, id) in (select message, id from attempts where endpoint = :endpoint limit :limit)

-- name: endpoint_outcomes
delete from outcomes where (endpoint, message, round) in (
  select endpoint, message, round from outcomes where endpoint = :endpoint limit :limit)

-- name: endpoint_counters
delete from counters where endpoint = :endpoint and hour in (select hour from counters where endpoint = :endpoint limit :limit)

-- name: endpoint_recovers
delete from recovers where id in (select id from recovers where application = :application and endpoint = :endpoint limit :limit)

-- name: endpoint_secrets
delete from endpoint_secrets where endpoint = :endpoint

-- name: endpoint_tasks
delete from tasks where id in (select id from tasks where application = :application and endpoint = :endpoint limit :limit)

-- name: endpoint_consumers
delete from consumers where endpoint = :endpoint and consumer in (select consumer from consumers where endpoint = :endpoint limit :limit)

-- name: endpoint_health
delete from endpoint_health where endpoint = :endpoint

-- name: endpoint_position
delete from endpoint_positions where endpoint = :endpoint

-- name: endpoint_rate
delete from rates where item = :endpoint

-- name: endpoint_transformation
delete from transformations where endpoint = :endpoint

-- name: endpoint
delete from endpoints where application = :application and id = :endpoint

-- name: application_event_ids
delete from event_ids where application = :application and event_id in (
  select event_id from event_ids where application = :application limit :limit)

-- name: application_recovers
delete from recovers where id in (select id from recovers where application = :application limit :limit)

-- name: application_tasks
delete from tasks where id in (select id from tasks where application = :application limit :limit)

-- name: application_notices
delete from notices where id in (select id from notices where application = :application limit :limit)

-- name: application_rate
delete from rates where item = :application

-- name: application_revocations
delete from revocations where organization = :organization and application = :application

-- name: application
delete from applications where organization = :organization and id = :application
