-- Claiming, settling and giving back live deliveries, many in one statement; and what is written differently here.

-- name: settle
-- What stands in braces: see `deliveries.py`.
with node as (
  select epoch from nodes where epoch = :owner for key share
), asked as (
  select * from unnest(
    cast(:n as integer[]), cast(:endpoint as text[]), cast(:message as text[]), cast(:round as integer[]), cast(:attempts as integer[]),
    cast(:state as smallint[]), cast(:due_at as bigint[]), cast(:ended_at as bigint[]), cast(:attempt as text[]), cast(:url as text[]),
    cast(:event_type as text[]), cast(:channels as text[]), cast(:attempt_state as smallint[]), cast(:response_status as integer[]),
    cast(:response as bytea[]), cast(:truncated as smallint[]), cast(:started_at as bigint[]), cast(:duration_ms as bigint[]),
    cast(:disable as text[])
  ) as t (n, endpoint, message, round, attempts, state, due_at, ended_at, attempt, url, event_type, channels, attempt_state,
          response_status, response, truncated, started_at, duration_ms, disable)
), ended as (
  delete from deliveries d using asked s, node
  where d.endpoint = s.endpoint and d.message = s.message and d.round = s.round and d.owner = :owner and d.attempts = s.attempts
    and s.state <> 1 and {replayed}
  returning s.n, d.application, d.organization, d.trigger, d.created_at
), moved as (
  update deliveries d set owner = 0, attempts = d.attempts + 1, due_at = s.due_at
  from asked s, node
  where d.endpoint = s.endpoint and d.message = s.message and d.round = s.round and d.owner = :owner and d.attempts = s.attempts
    and s.state = 1 and {replayed}
  returning s.n, d.application, d.organization, d.trigger, d.created_at
), done as (
  select s.*, e.application, e.organization, e.trigger, e.created_at
  from (select * from ended union all select * from moved) e join asked s using (n)
), finished as (
  insert into outcomes (endpoint, message, round, application, organization, trigger, state, attempts, last_attempt, ended_at)
  select endpoint, message, round, application, organization, trigger, state,
         attempts + case when attempt is null then 0 else 1 end, attempt, ended_at
  from done where state <> 1
  on conflict do nothing -- the same round may have been added twice at the same moment, by hand and by a recover: the first end stays
), tried as (
  insert into attempts (message, id, endpoint, round, application, organization, trigger, number, url, event_type, channels,
                        state, response_status, response, truncated, started_at, duration_ms)
  select message, attempt, endpoint, round, application, organization, trigger, attempts + 1, url, event_type, channels,
         attempt_state, response_status, response, truncated, started_at, duration_ms
  from done where attempt is not null
), counted as (
  insert into counters as c (endpoint, hour, slot, success, fail, canceled)
  select endpoint, created_at / 3600000, :slot, sum(success), sum(fail), sum(canceled)
  from (
    select endpoint, created_at,
      case when state = 0 and prior is distinct from 0 then 1 else 0 end as success,
      case when state = 2 and (prior is null or prior = 4) then 1 when state < 2 and prior = 2 then -1 else 0 end as fail,
      case when state = 4 and prior is null then 1 when state < 4 and prior = 4 then -1 else 0 end as canceled
    from (select endpoint, created_at, state, {prior} as prior from done where state <> 1) as ranked
  ) as changes
  group by 1, 2 order by 1, 2
  on conflict (endpoint, hour, slot) do update
    set success = c.success + excluded.success, fail = c.fail + excluded.fail, canceled = c.canceled + excluded.canceled
), disabled as (
  update endpoints e set disabled_reason = done.disable, updated_at = done.ended_at
  from done join unnest(cast(:n as integer[]), cast(:own_url as text[])) as own (n, url) using (n)
  where done.disable is not null and e.application = done.application and e.id = done.endpoint
    and e.url = coalesce(own.url, done.url) and e.disabled_reason is null
){told}
select exists (select 1 from node), array(select n from done)

-- name: told -- the last step of `settle`, where an attempt is to be told of; one look at each, however many endpoints there are
, told as (
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, message, event_id, attempt,
                       response_status, attempted_at)
  select w.organization, w.application, w.application_uid, w.endpoint, w.endpoint_uid, told.kind, done.message,
         (select m.event_id from messages m where m.application = done.application and m.id = done.message),
         done.attempt, done.response_status, done.started_at
  from unnest(cast(:n as integer[]), cast(:notice as text[])) as told (n, kind)
  join done using (n)
  cross join lateral (select * from watched where endpoint = done.endpoint and application = done.application offset 0) w
  where told.kind is not null
)

-- name: release -- `due_at` 0 leaves the time as it was
update deliveries d set owner = 0, due_at = greatest(d.due_at, r.due_at)
from unnest(
  cast(:endpoint as text[]), cast(:message as text[]), cast(:round as integer[]), cast(:owner as bigint[]), cast(:attempts as integer[]),
  cast(:due_at as bigint[])
) as r (endpoint, message, round, owner, attempts, due_at)
where d.endpoint = r.endpoint and d.message = r.message and d.round = r.round and d.owner = r.owner and d.attempts = r.attempts

-- name: claim -- what others are claiming at this moment is passed over; and what has a place, as in `due_rows`
with node as (
  select epoch from nodes where epoch = :owner for key share
), due as (
  select d.message, d.round, d.due_at from deliveries d, node
  where d.endpoint = :endpoint and d.owner = 0 and d.due_at <= :now
    and (d.position = 0 or not exists (select 1 from endpoint_positions where endpoint = :endpoint))
  order by d.due_at limit :limit for update of d skip locked
), sized as (
  select due.*, row_number() over earliest as place, sum(octet_length(c.body)) over earliest as bytes
  from due left join contents c on c.message = due.message
  window earliest as (order by due.due_at, due.message, due.round)
), owned as (
  update deliveries d set owner = :owner from sized
  where d.endpoint = :endpoint and d.message = sized.message and d.round = sized.round
    and (sized.place = 1 or coalesce(sized.bytes, 0) <= :most_bytes)
  returning d.*
)
select o.message, o.round, o.trigger, o.attempts, o.due_at, o.created_at,
       convert_to(o.application, 'UTF8'), convert_to(o.organization, 'UTF8'), convert_to(m.event_type, 'UTF8'),
       convert_to(m.event_id, 'UTF8'), convert_to(m.channels, 'UTF8'), m.content_expires_at, convert_to(c.content_type, 'UTF8'), c.body
from owned o
left join messages m on m.application = o.application and m.id = o.message
left join contents c on c.message = o.message
order by o.due_at

-- name: set_aside
update deliveries set owner = 0, due_at = ? where endpoint = ? and message = ? and round = ?

-- name: node
select epoch from nodes where epoch = :owner for key share

-- name: live_of
select endpoint, message, round from deliveries where endpoint = ? limit ? for update skip locked

-- name: count_canceled_rows -- slot 0 is for what no node counts; what a scalar asks of `outcomes` is never answered by reading all of it
insert into counters as c (endpoint, hour, slot, canceled)
select endpoint, created_at / 3600000, 0, count(*)
from (
  select distinct d.endpoint, d.message, d.created_at
  from json_array_elements(cast(:keys as json)) as k (value)
  join deliveries d on d.endpoint = k.value ->> 0 and d.message = k.value ->> 1 and d.round = cast(k.value ->> 2 as integer)
  where not d.replayed or (select min(o.state) from outcomes o where o.endpoint = d.endpoint and o.message = d.message) is null
) as first
group by 1, 2 order by 1, 2
on conflict (endpoint, hour, slot) do update set canceled = c.canceled + excluded.canceled

-- name: end_canceled_rows
insert into outcomes (endpoint, message, round, application, organization, trigger, state, attempts, last_attempt, ended_at)
select d.endpoint, d.message, d.round, d.application, d.organization, d.trigger, 4, d.attempts, null, :now
from json_array_elements(cast(:keys as json)) as k (value)
join deliveries d on d.endpoint = k.value ->> 0 and d.message = k.value ->> 1 and d.round = cast(k.value ->> 2 as integer)
on conflict do nothing

-- name: delete_canceled_rows
delete from deliveries d using json_array_elements(cast(:keys as json)) as k (value)
where d.endpoint = k.value ->> 0 and d.message = k.value ->> 1 and d.round = cast(k.value ->> 2 as integer)

-- name: cleared -- not before whatever was being accepted while the endpoint was deleted is committed or gone
update endpoints set cleared_at = cast(?1 as bigint) where id in (
  select id from endpoints
  where deleted_at is not null and cleared_at is null and deleted_at < cast(?1 as bigint) - 60000
    and not exists (select 1 from deliveries where endpoint = endpoints.id)
  limit ?2)

-- name: resend_facts
select m.organization, m.created_at,
       exists (select 1 from contents where message = m.id for key share), -- it must not go before this round is there
       exists (select 1 from endpoints where application = m.application and id = :endpoint and deleted_at is null),
       (select max(round) from deliveries where endpoint = :endpoint and message = m.id),
       (select max(round) from outcomes where endpoint = :endpoint and message = m.id)
from messages m where m.application = :application and m.id = :message
