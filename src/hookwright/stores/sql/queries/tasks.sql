-- Tasks in the background. Every select of whole tasks names the columns in the order that `to_task` reads them.

-- name: running
select count(*) from tasks where application = :application and endpoint = :endpoint and done_at is null

-- name: start
insert into tasks (
  id, organization, application, endpoint, kind, state, request, mark, looked, done, total, next_at, created_at, updated_at
) values (
  :id, :organization, :application, :endpoint, :kind, 'running', :request, :mark, 0, 0, :total, :next_at, :now, :now
)

-- name: find
select
  id, organization, application, endpoint, kind, state, request, mark, looked, done, total, next_at, problem, created_at, updated_at
from tasks
where id = :id and organization = :organization and (cast(:application as text) is null or application = :application)

-- name: list_down -- `states`: a JSON array
select
  id, organization, application, endpoint, kind, state, request, mark, looked, done, total, next_at, problem, created_at, updated_at
from tasks
where organization = :organization and id >= :low and id < :high
  and (cast(:application as text) is null or application = :application)
  and (cast(:kind as text) is null or kind = :kind)
  and (cast(:states as text) is null or state in (select value from json_each(:states)))
order by id desc limit :limit

-- name: list_up
select
  id, organization, application, endpoint, kind, state, request, mark, looked, done, total, next_at, problem, created_at, updated_at
from tasks
where organization = :organization and id >= :low and id < :high
  and (cast(:application as text) is null or application = :application)
  and (cast(:kind as text) is null or kind = :kind)
  and (cast(:states as text) is null or state in (select value from json_each(:states)))
order by id limit :limit

-- name: edge_down
select id from tasks where organization = :organization and id >= :low and id < :high order by id desc limit 1 offset :skipped

-- name: edge_up
select id from tasks where organization = :organization and id >= :low and id < :high order by id limit 1 offset :skipped

-- name: cancel
update tasks set state = 'canceled', done_at = :now, updated_at = :now
where id = :id and organization = :organization and done_at is null
  and (cast(:application as text) is null or application = :application)

-- name: next_slice -- of the running tasks the first; a recover that an earlier release began may go on at once
select min(at) from (
  select min(next_at) as at from tasks indexed by tasks_open where done_at is null
  union all
  select 0 from recovers indexed by recovers_open where done_at is null
) as waiting

-- name: ready
select
  id, organization, application, endpoint, kind, state, request, mark, looked, done, total, next_at, problem, created_at, updated_at
from tasks indexed by tasks_open
where done_at is null and next_at <= :now
order by next_at, id limit :limit

-- name: move
update tasks set
  mark = :mark, looked = looked + :looked, done = done + :done, next_at = :next_at, updated_at = :now
where id = :id

-- name: finish
update tasks set state = 'finished', total = looked, done_at = :now where id = :id

-- name: fail
update tasks set state = 'failed', problem = :problem, done_at = :now, updated_at = :now where id = :id

-- name: wait
update tasks set next_at = :next_at where id = :id

-- name: left_recovers -- that an earlier release began
select r.id, a.organization, r.application, r.endpoint, r.after, r.until, r.created_at
from recovers r indexed by recovers_open
left join applications a on a.id = r.application
where r.done_at is null
limit :limit

-- name: recover_taken
update recovers set done_at = :now where id = :id
