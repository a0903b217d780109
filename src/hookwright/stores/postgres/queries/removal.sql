-- What is written differently here. Messages go by whole days (see `partitions.py`); one by one go only those that lie in no
-- day: they came too early, or were left when their day was dropped.

-- name: next_application
select min(application) from messages_other where application > :application

-- name: old_messages
select id, event_id,
       exists (select 1 from deliveries where message = messages_other.id) or exists (select 1 from contents where message = messages_other.id)
from messages_other
where application = :application and id > :message and id < :before
order by id limit :limit
