-- What is written differently here: a row that is looked up is looked up in the day that its id names, and in no other.

-- name: live -- in one order, so that two never wait for each other
select endpoint, message, round from deliveries where message = :message order by endpoint, round for update

-- name: by_ids
select one.id, one.organization, one.application, one.event_type, one.event_id, one.channels, one.created_at, one.content_expires_at
from json_array_elements_text(cast(:ids as json)) as wanted (id)
cross join lateral (select * from messages where application = :application and id = wanted.id limit 1) as one

-- name: content_sizes
select one.message, one.size
from json_array_elements_text(cast(:ids as json)) as wanted (id)
cross join lateral (select message, octet_length(body) as size from contents where message = wanted.id limit 1) as one

-- name: contents
select one.message, one.body, one.content_type
from json_array_elements_text(cast(:ids as json)) as wanted (id)
cross join lateral (select * from contents where message = wanted.id limit 1) as one

-- name: unsent
select endpoint, message, round from deliveries as d
where message = :message and (owner = 0 or exists (
  select 1 from json_array_elements(cast(:held as json)) as k (value)
  where k.value ->> 0 = d.endpoint and cast(k.value ->> 1 as integer) = d.round and cast(k.value ->> 2 as bigint) = d.owner
    and cast(k.value ->> 3 as integer) = d.attempts))
order by endpoint, round for update of d

-- name: tell_canceled
insert into news (kind, application, item) values ('cancel', :application, :message)
