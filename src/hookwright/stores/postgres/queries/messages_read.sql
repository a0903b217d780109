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
