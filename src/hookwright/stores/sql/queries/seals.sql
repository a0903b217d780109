-- Whatever lies sealed, as (owner, position, sealed), each kind in the order of a key that it has anyway.

-- name: list_access
select id, 0, sealed_access from endpoints where id > :owner and sealed_access is not null order by id

-- name: list_answers -- of all that idempotency keys remember; others are text, a seal begins with its form (see vault)
select lower(hex(key)), 0, answer from idempotency_keys
where key > unhex(:owner) and substr(answer, 1, 1) = x'01'
order by key

-- name: list_headers
select id, 0, sealed_headers from endpoints where id > :owner and sealed_headers is not null order by id

-- name: list_secrets
select endpoint, position, sealed from endpoint_secrets where (endpoint, position) > (:owner, :position) order by endpoint, position

-- name: list_variables
select endpoint, 0, variables from transformations where endpoint > :owner and variables is not null order by endpoint

-- name: sample -- by the index of live endpoints: what was deleted is not walked over
with ends as materialized (
  select * from (
    select id, sealed_headers, sealed_access from endpoints indexed by endpoints_live where deleted_at is null
    order by application, id limit :limit
  )
  union
  select * from (
    select id, sealed_headers, sealed_access from endpoints indexed by endpoints_live where deleted_at is null
    order by application desc, id desc limit :limit
  )
)
select 'access', id, 0, sealed_access from ends where sealed_access is not null
union all
select 'headers', id, 0, sealed_headers from ends where sealed_headers is not null
union all
select 'secret', endpoint, position, sealed from ends cross join endpoint_secrets on endpoint = id
union all
select 'variables', endpoint, 0, variables from ends cross join transformations on endpoint = id where variables is not null

-- name: replace_access
update endpoints set sealed_access = :new where id = :owner and sealed_access = :old

-- name: replace_answer
update idempotency_keys set answer = :new where key = unhex(:owner) and answer = :old

-- name: replace_headers
update endpoints set sealed_headers = :new where id = :owner and sealed_headers = :old

-- name: replace_secret
update endpoint_secrets set sealed = :new where endpoint = :owner and position = :position and sealed = :old

-- name: replace_variables
update transformations set variables = :new where endpoint = :owner and variables = :old
