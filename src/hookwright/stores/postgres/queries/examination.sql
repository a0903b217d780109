-- What only this store is asked. Silence is measured by the database's own clock, as leases are.

-- name: nodes -- with how many deliveries each has in its hands
select nodes.epoch, cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - nodes.seen_at, coalesce(held.deliveries, 0)
from nodes left join (select owner, count(*) as deliveries from deliveries where owner <> 0 group by owner) as held on owner = epoch
order by nodes.seen_at desc, nodes.epoch

-- name: at_work
select count(*) from nodes where seen_at > cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - :lease_ms

-- name: clock
select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)
