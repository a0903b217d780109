-- What has expired, the earliest first.

-- name: contents -- of messages that are not being sent at this moment
select message from contents indexed by contents_expiry
where expires_at <= :now and not exists (select 1 from deliveries where message = contents.message and owner <> 0)
order by expires_at limit :limit

-- name: waiting -- live rows that nobody holds
select endpoint, message, round from deliveries
where message in (select value from json_each(:messages)) and owner = 0
limit :limit

-- name: ended -- messages of which nothing is live
select value from json_each(:messages) where not exists (select 1 from deliveries where message = value)

-- name: remove_contents
delete from contents where message in (select value from json_each(:messages))

-- name: remove_keys
delete from idempotency_keys where key in (
  select key from idempotency_keys indexed by idempotency_keys_expiry where expires_at <= :now order by expires_at limit :limit)

-- name: remove_revocations
delete from revocations where rowid in (
  select rowid from revocations indexed by revocations_expiry where forget_at <= :now order by forget_at limit :limit)
