-- Of ordered endpoints: the place that a delivery gets, and who is first. One is ordered while it has a row in `endpoint_positions`.

-- name: begin -- behind whatever has a place from before
insert into endpoint_positions (endpoint, next)
values (:endpoint, 1 + coalesce(
  (select position from deliveries where endpoint = :endpoint and position > 0 order by position desc limit 1), cast(:front as bigint)))
on conflict (endpoint) do nothing

-- name: end
delete from endpoint_positions where endpoint = :endpoint

-- name: take -- nobody else gets one before the end of the transaction
update endpoint_positions set next = next + 1 where endpoint = ? returning next - 1

-- name: lock -- nobody gets a place before the end of the transaction
select next from endpoint_positions where endpoint = ?

-- name: is_ordered
select 1 from endpoint_positions where endpoint = ?

-- name: ordered_among
select endpoint from endpoint_positions where endpoint in (select value from json_each(:endpoints)) order by endpoint

-- name: first
select owner, due_at, position from deliveries indexed by deliveries_order
where endpoint = ? and position > 0 order by position limit ?

-- name: strays -- of what is due first, that which has no place
select message, round from (
  select message, round, due_at, position from deliveries indexed by deliveries_due
  where endpoint = ? and owner = 0 and due_at <= ? order by due_at limit ?
) as due
where position = 0 order by due_at

-- name: place
update deliveries set position = ? where endpoint = ? and message = ? and round = ?

-- name: rows -- as `deliveries.due_rows`; and who owns it, and its place
select d.message, d.round, d.trigger, d.attempts, d.due_at, d.created_at,
       cast(d.application as blob), cast(d.organization as blob), cast(m.event_type as blob), cast(m.event_id as blob),
       cast(m.channels as blob), m.content_expires_at, cast(c.content_type as blob), c.body, d.owner, d.position
from deliveries d indexed by deliveries_order
left join messages m on m.application = d.application and m.id = d.message
left join contents c on c.message = d.message
where d.endpoint = ? and d.position > 0
order by d.position
limit ?

-- name: own -- up to this place
update deliveries indexed by deliveries_order set owner = ? where endpoint = ? and position > 0 and position <= ?
