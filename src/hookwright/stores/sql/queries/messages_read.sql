-- Reading messages. Creating them is in messages.sql.

-- name: find -- by id, or by the event id that its creator gave it
select id, organization, application, event_type, event_id, channels, created_at, content_expires_at
from messages
where application = :application
  and id = coalesce((select message from event_ids where application = :application and event_id = :ref), :ref)

-- name: list_down -- `event_types`: a JSON array; `channel`: as JSON, in its quotes
select id, organization, application, event_type, event_id, channels, created_at, content_expires_at
from messages
where application = :application and id >= :low and id < :high
  and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
  and (cast(:channel as text) is null or instr(channels, :channel) > 0)
order by id desc limit :limit

-- name: list_up
select id, organization, application, event_type, event_id, channels, created_at, content_expires_at
from messages
where application = :application and id >= :low and id < :high
  and (cast(:event_types as text) is null or event_type in (select value from json_each(:event_types)))
  and (cast(:channel as text) is null or instr(channels, :channel) > 0)
order by id limit :limit

-- name: edge_down
select id from messages where application = :application and id >= :low and id < :high order by id desc limit 1 offset :skipped

-- name: edge_up
select id from messages where application = :application and id >= :low and id < :high order by id limit 1 offset :skipped

-- name: by_ids
select id, organization, application, event_type, event_id, channels, created_at, content_expires_at
from messages
where application = :application and id in (select value from json_each(:ids))

-- name: content
select body, content_type from contents where message = :message

-- name: content_sizes -- without reading the bodies
select message, length(body) from contents where message in (select value from json_each(:ids))

-- name: contents
select message, body, content_type from contents where message in (select value from json_each(:ids))

-- name: live
select endpoint, message, round from deliveries where message = :message

-- name: unsent -- deliveries that nobody holds, or who asks: `held` is a JSON array of [endpoint, round, owner, attempts]
select endpoint, message, round from deliveries as d
where message = :message and (owner = 0 or exists (
  select 1 from json_each(:held) as k
  where k.value ->> 0 = d.endpoint and k.value ->> 1 = d.round and k.value ->> 2 = d.owner and k.value ->> 3 = d.attempts))

-- name: count_live
select count(*) from deliveries where message = :message

-- name: tell_canceled -- where one process has the store to itself, nobody else has any of it in a queue
select :application, :message where false
