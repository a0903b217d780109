-- What is written differently here: a row that is looked up is looked up in the day that its id names, and in no other.

-- name: ended -- also of messages that are gone, whose outcomes go a moment after them: a short slice is the last
select o.message, o.round, o.state, o.last_attempt,
       m.organization, m.event_type, m.channels, m.created_at,
       (select 1 from deliveries where endpoint = :endpoint and message = o.message limit 1),
       (select 1 from contents where message = m.id)
from (
  select message, max(round) as round, min(state) as state,
         (array_agg(last_attempt order by round desc) filter (where last_attempt is not null))[1] as last_attempt
  from outcomes where endpoint = :endpoint and message >= :mark and message < :until
  group by message order by message limit :limit
) as o
left join messages m on m.application = :application and m.id = o.message
order by o.message

-- name: answers
select one.message, one.id, one.response_status
from json_array_elements(cast(:keys as json)) as k (value)
cross join lateral (
  select message, id, response_status from attempts where message = k.value ->> 0 and id = k.value ->> 1 limit 1
) as one
