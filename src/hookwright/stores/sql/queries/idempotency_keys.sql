-- Idempotency keys: read and written in the transaction of the command that they make happen once.

-- name: find
select fingerprint, answer from idempotency_keys where key = ? and expires_at > ?

-- name: keep -- over one that has expired and was not removed yet
insert into idempotency_keys (key, fingerprint, answer, expires_at) values (?, ?, ?, ?)
on conflict (key) do update set fingerprint = excluded.fingerprint, answer = excluded.answer, expires_at = excluded.expires_at
