-- What is written differently here.

-- name: open_tasks -- by whoever comes first
select id, application, endpoint, after, until from recovers where done_at is null limit ? for update skip locked

-- name: candidates  (messages with an outcome in the range, one row each; also those that are gone: a short slice is the last)
select o.message, o.succeeded, o.failed, o.round, m.organization, m.created_at,
       exists (select 1 from deliveries d where d.endpoint = ?1 and d.message = o.message),
       m.id is not null and exists (select 1 from contents c where c.message = o.message)
from (
  select message, min(application) as application, bool_or(state = 0) as succeeded, bool_or(state = 2) as failed, max(round) as round
  from outcomes where endpoint = ?1 and message >= ?2 and message < ?3
  group by message order by message limit ?4
) as o
left join messages m on m.application = o.application and m.id = o.message
order by o.message
