-- What became of an endpoint's messages, in numbers.

-- name: hours -- whole hours, from the counters that are kept as deliveries end
select coalesce(sum(success), 0), coalesce(sum(fail), 0), coalesce(sum(canceled), 0)
from counters where endpoint = :endpoint and hour >= :first and hour < :last

-- name: ended -- the same from the outcomes themselves, for a part of an hour
select coalesce(sum(success), 0), coalesce(sum(fail and not success), 0), coalesce(sum(not fail and not success), 0)
from (
  select max(state = 0) as success, max(state = 2) as fail
  from outcomes where endpoint = :endpoint and message >= :low and message < :high
  group by message
)

-- name: live -- messages with a live round, by whether it is being sent and by what their other rounds came to
select sending, ended, count(*)
from (
  select
    max(owner <> 0) as sending,
    (
      select case when count(*) = 0 then null when max(state = 0) then 0 when max(state = 2) then 2 else 4 end
      from outcomes as o where o.endpoint = d.endpoint and o.message = d.message
    ) as ended
  from deliveries as d
  where endpoint = :endpoint and message >= :low and message < :high
  group by message
)
group by sending, ended
