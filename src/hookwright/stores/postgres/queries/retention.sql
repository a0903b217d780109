-- What is written differently here: rows are locked before they are judged, and what another has locked is passed over.

-- name: contents -- locked, so that nobody sends one again meanwhile: see `resend_facts`
select message from contents
where expires_at <= :now and not exists (select 1 from deliveries where message = contents.message and owner <> 0)
order by expires_at limit :limit
for update of contents skip locked

-- name: waiting
select endpoint, message, round from deliveries
where message in (select value from json_each(:messages)) and owner = 0
limit :limit
for update skip locked

-- name: remove_revocations
delete from revocations where ctid = any(array(select ctid from revocations where forget_at <= :now order by forget_at limit :limit))
