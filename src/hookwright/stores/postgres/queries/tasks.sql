-- What is written differently here: by whoever comes first.

-- name: ready
select
  id, organization, application, endpoint, kind, state, request, mark, looked, done, total, next_at, problem, created_at, updated_at
from tasks
where done_at is null and next_at <= :now
order by next_at, id limit :limit
for update skip locked

-- name: left_recovers
select r.id, a.organization, r.application, r.endpoint, r.after, r.until, r.created_at
from recovers r
left join applications a on a.id = r.application
where r.done_at is null
limit :limit
for update of r skip locked
