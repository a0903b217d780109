-- What is written differently here: positions are the order of commits because a lock on the endpoint's row is held to the commit.

-- name: lock
select next from endpoint_positions where endpoint = ? for update

-- name: rows -- whoever cancels one of them is waited for
select d.message, d.round, d.trigger, d.attempts, d.due_at, d.created_at,
       convert_to(d.application, 'UTF8'), convert_to(d.organization, 'UTF8'), convert_to(m.event_type, 'UTF8'),
       convert_to(m.event_id, 'UTF8'), convert_to(m.channels, 'UTF8'), m.content_expires_at, convert_to(c.content_type, 'UTF8'), c.body,
       d.owner, d.position
from deliveries d
left join messages m on m.application = d.application and m.id = d.message
left join contents c on c.message = d.message
where d.endpoint = ? and d.position > 0
order by d.position
limit ?
for update of d
