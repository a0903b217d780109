-- What is written differently here.

-- name: ended
select coalesce(sum(case when success then 1 else 0 end), 0),
       coalesce(sum(case when fail and not success then 1 else 0 end), 0),
       coalesce(sum(case when not fail and not success then 1 else 0 end), 0)
from (
  select bool_or(state = 0) as success, bool_or(state = 2) as fail
  from outcomes where endpoint = :endpoint and message >= :low and message < :high
  group by message
) as ended

-- name: live -- with other rounds looked up only where there are any
select sending, ended, count(*)
from (
  select bool_or(d.owner <> 0) as sending,
         case when bool_or(d.replayed)
           then (select min(o.state) from outcomes as o where o.endpoint = d.endpoint and o.message = d.message)
         end as ended
  from deliveries as d
  where d.endpoint = :endpoint and d.message >= :low and d.message < :high
  group by d.endpoint, d.message
) as live
group by sending, ended
