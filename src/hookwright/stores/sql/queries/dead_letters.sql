-- Deliveries that were given up. A message may have been given up at an endpoint in several rounds: the last of them stands for all,
-- and none does where a round succeeded or goes on. What a scalar asks of `outcomes` is never answered by reading all of it.

-- name: page
select f.message, f.endpoint, f.attempts, f.ended_at, f.last_attempt,
       f.endpoint = coalesce(:only, f.endpoint)
       and (select 1 from deliveries where endpoint = f.endpoint and message = f.message limit 1) is null
       and (select 1 from outcomes where endpoint = f.endpoint and message = f.message and (state = 0 or (state = 2 and round > f.round))
            limit 1) is null
from outcomes f indexed by outcomes_failed
where f.state = 2 and f.application = :application and f.message >= :low and f.message <= :message
  and (f.message < :message or f.endpoint < :endpoint)
order by f.message desc, f.endpoint desc, f.round desc
limit :limit
