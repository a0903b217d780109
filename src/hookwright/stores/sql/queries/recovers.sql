-- name: endpoint_alive
select 1 from endpoints where application = ? and id = ? and deleted_at is null

-- name: start
insert into recovers (id, application, endpoint, after, until, created_at) values (?, ?, ?, ?, ?, ?)

-- name: open_count
select count(*) from recovers indexed by recovers_open where done_at is null

-- name: open_tasks
select id, application, endpoint, after, until from recovers indexed by recovers_open where done_at is null limit ?

-- name: candidates  (messages with an outcome in the range, one row each)
select o.message, max(o.state = 0), max(o.state = 2), max(o.round), m.organization, m.created_at,
       exists (select 1 from deliveries d where d.endpoint = o.endpoint and d.message = o.message),
       exists (select 1 from contents c where c.message = o.message)
from outcomes o
join messages m on m.application = o.application and m.id = o.message
where o.endpoint = ? and o.message >= ? and o.message < ?
group by o.message
order by o.message
limit ?

-- name: move_mark
update recovers set after = ?, done_at = ? where id = ?
