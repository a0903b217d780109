-- What has expired, the earliest first.

-- name: contents
select message from contents indexed by contents_expiry where expires_at <= :now order by expires_at limit :limit

-- name: remove_content
delete from contents where message = :message

-- name: remove_keys
delete from idempotency_keys where key in (
  select key from idempotency_keys indexed by idempotency_keys_expiry where expires_at <= :now order by expires_at limit :limit)

-- name: remove_revocations
delete from revocations where forget_at <= :now
