-- What a task looks at: messages of an endpoint in the order of their ids, a slice at a time. What a scalar asks of `outcomes` is
-- never answered by reading all of it.

-- name: ended -- messages with an outcome at the endpoint, one row each: the smallest state is how they ended
select o.message, max(o.round), min(o.state),
       (select last_attempt from outcomes
        where endpoint = :endpoint and message = o.message and last_attempt is not null order by round desc limit 1),
       m.organization, m.event_type, m.channels, m.created_at,
       (select 1 from deliveries where endpoint = :endpoint and message = o.message limit 1),
       (select 1 from contents where message = m.id)
from outcomes o
left join messages m on m.application = :application and m.id = o.message
where o.endpoint = :endpoint and o.message >= :mark and o.message < :until
group by o.message
order by o.message
limit :limit

-- name: made -- messages of the application, with what ended and what is live at the endpoint
select m.id, (select max(round) from outcomes where endpoint = :endpoint and message = m.id),
       (select min(state) from outcomes where endpoint = :endpoint and message = m.id), null,
       m.organization, m.event_type, m.channels, m.created_at,
       (select 1 from deliveries where endpoint = :endpoint and message = m.id limit 1),
       (select 1 from contents where message = m.id)
from messages m
where m.application = :application and m.id >= :mark and m.id < :until
order by m.id
limit :limit

-- name: examples -- of these messages, those that were for one endpoint alone: the first row that there is of such a one tells it
select value from json_each(:messages)
where (select case when round = 0 then trigger else 0 end from outcomes where message = value order by endpoint, round limit 1) > 0
   or (select case when round = 0 then trigger else 0 end from deliveries where message = value order by endpoint, round limit 1) > 0

-- name: answers -- `keys`: a JSON array of [message, attempt]
select a.message, a.id, a.response_status
from json_each(:keys) as k
cross join attempts as a on a.message = k.value ->> 0 and a.id = k.value ->> 1

-- name: count_ended -- up to a limit
select count(*) from (
  select distinct message from outcomes where endpoint = :endpoint and message >= :mark and message < :until limit :limit
) as found

-- name: count_made
select count(*) from (
  select id from messages where application = :application and id >= :mark and id < :until limit :limit
) as found

-- name: count_due -- deliveries that wait for the endpoint, up to a limit
select count(*) from (
  select 1 from deliveries indexed by deliveries_due where endpoint = :endpoint and owner = 0 and due_at <= :now limit :limit
) as waiting
