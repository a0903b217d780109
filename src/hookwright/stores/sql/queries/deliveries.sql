-- name: due_endpoints  (skips from endpoint to endpoint: one seek each, whatever their backlog; of one that is not open, no time)
-- `order by ... limit 1` and not `min`: while its statistics are older than a backlog, PostgreSQL's planner would read the whole of
-- it. No join: one would be free to begin with every endpoint that there is.
with recursive waiting (endpoint, number) as (
  select (
    select endpoint from deliveries indexed by deliveries_due where owner = 0 and endpoint > :after order by endpoint, due_at limit 1
  ), 1
  union all
  select (
    select endpoint from deliveries indexed by deliveries_due
    where owner = 0 and endpoint > waiting.endpoint order by endpoint, due_at limit 1
  ), number + 1
  from waiting where waiting.endpoint is not null and number < :limit
)
select endpoint, (
    select (
      select due_at from deliveries indexed by deliveries_due
      where owner = 0 and endpoint = waiting.endpoint order by due_at limit 1
    )
    from endpoints where id = waiting.endpoint and disabled_reason is null and deleted_at is null
  )
from waiting where endpoint is not null

-- name: due_rows  (with rows whose message is gone, and texts as blobs: one that cannot be read must not end the reading)
-- What has a place is claimed in order, as long as its endpoint is ordered: who asks may not have heard that it is.
select d.message, d.round, d.trigger, d.attempts, d.due_at, d.created_at,
       cast(d.application as blob), cast(d.organization as blob), cast(m.event_type as blob), cast(m.event_id as blob),
       cast(m.channels as blob), m.content_expires_at, cast(c.content_type as blob), c.body
from deliveries d indexed by deliveries_due
left join messages m on m.application = d.application and m.id = d.message
left join contents c on c.message = d.message
where d.endpoint = ? and d.owner = 0 and d.due_at <= ?
  and (d.position = 0 or not exists (select 1 from endpoint_positions where endpoint = d.endpoint))
order by d.due_at
limit ?

-- name: next_due
select due_at from deliveries indexed by deliveries_due where endpoint = ? and owner = 0 order by due_at limit 1

-- name: own
update deliveries set owner = ? where endpoint = ? and message = ? and round = ?

-- name: set_aside
update deliveries set due_at = ? where endpoint = ? and message = ? and round = ?

-- name: reschedule
update deliveries set owner = 0, attempts = attempts + 1, due_at = ?
where endpoint = ? and message = ? and round = ? and owner = ? and attempts = ?

-- name: end_fenced
delete from deliveries where endpoint = ? and message = ? and round = ? and owner = ? and attempts = ?
returning application, organization, trigger

-- name: release
update deliveries set owner = 0, due_at = max(due_at, ?)
where endpoint = ? and message = ? and round = ? and owner = ? and attempts = ?

-- name: disable  (not if its URL was changed meanwhile: the new one did not answer)
update endpoints set disabled_reason = ?, updated_at = ?
where application = ? and id = ? and url = ? and disabled_reason is null

-- name: insert_attempt
insert into attempts (message, id, endpoint, round, application, organization, trigger, number, url, event_type, channels,
                      state, response_status, response, truncated, started_at, duration_ms)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: ended_states
select state from outcomes where endpoint = ? and message = ?

-- name: insert_outcome
insert into outcomes (endpoint, message, round, application, organization, trigger, state, attempts, last_attempt, ended_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: count_success
insert into counters (endpoint, hour, success) values (?1, ?2, ?3)
on conflict (endpoint, hour) do update set success = success + ?3

-- name: count_fail
insert into counters (endpoint, hour, fail) values (?1, ?2, ?3)
on conflict (endpoint, hour) do update set fail = fail + ?3

-- name: count_canceled
insert into counters (endpoint, hour, canceled) values (?1, ?2, ?3)
on conflict (endpoint, hour) do update set canceled = canceled + ?3

-- name: to_clear  (only those with rows: thousands without any must not hide the others from a slice)
select id from endpoints indexed by endpoints_to_clear
where deleted_at is not null and cleared_at is null and exists (select 1 from deliveries where endpoint = endpoints.id)
limit ?

-- name: cleared
update endpoints set cleared_at = ? where id in (
  select id from endpoints indexed by endpoints_to_clear
  where deleted_at is not null and cleared_at is null and not exists (select 1 from deliveries where endpoint = endpoints.id)
  limit ?)

-- name: live_of
select endpoint, message, round from deliveries where endpoint = ? limit ?

-- name: count_canceled_rows -- `keys`: a JSON array of [endpoint, message, round]; once a message, and not if another round has ended
insert into counters (endpoint, hour, canceled)
select endpoint, created_at / 3600000, count(*)
from (
  select distinct d.endpoint, d.message, d.created_at
  from json_each(:keys) as k
  cross join deliveries as d on d.endpoint = k.value ->> 0 and d.message = k.value ->> 1 and d.round = k.value ->> 2
  where not exists (select 1 from outcomes where endpoint = d.endpoint and message = d.message)
)
group by endpoint, created_at / 3600000
on conflict (endpoint, hour) do update set canceled = canceled + excluded.canceled

-- name: end_canceled_rows
insert into outcomes (endpoint, message, round, application, organization, trigger, state, attempts, last_attempt, ended_at)
select d.endpoint, d.message, d.round, d.application, d.organization, d.trigger, 4, d.attempts, null, :now
from json_each(:keys) as k
cross join deliveries as d on d.endpoint = k.value ->> 0 and d.message = k.value ->> 1 and d.round = k.value ->> 2

-- name: delete_canceled_rows
delete from deliveries where (endpoint, message, round) in (select value ->> 0, value ->> 1, value ->> 2 from json_each(:keys))

-- name: resend_facts
select m.organization, m.created_at,
       exists (select 1 from contents where message = m.id),
       exists (select 1 from endpoints where application = m.application and id = :endpoint and deleted_at is null),
       (select max(round) from deliveries where endpoint = :endpoint and message = m.id),
       (select max(round) from outcomes where endpoint = :endpoint and message = m.id)
from messages m where m.application = :application and m.id = :message
