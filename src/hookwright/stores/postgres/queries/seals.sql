-- What is written differently here.

-- name: list_answers
select encode(key, 'hex'), 0, answer from idempotency_keys
where key > decode(:owner, 'hex') and substr(answer, 1, 1) = '\x01'
order by key

-- name: replace_answer
update idempotency_keys set answer = :new where key = decode(:owner, 'hex') and answer = :old

-- name: sample
with ends as (
  (select id, sealed_headers, sealed_access from endpoints where deleted_at is null order by application, id limit :limit)
  union
  (select id, sealed_headers, sealed_access from endpoints where deleted_at is null order by application desc, id desc limit :limit)
)
select 'access', id, 0, sealed_access from ends where sealed_access is not null
union all
select 'headers', id, 0, sealed_headers from ends where sealed_headers is not null
union all
select 'secret', endpoint, position, sealed from ends join endpoint_secrets on endpoint = id
union all
select 'variables', endpoint, 0, variables from ends join transformations on endpoint = id where variables is not null

-- name: quietly -- to the end of the transaction; the triggers look for it
select set_config('hookwright.resealing', 'on', true)
