-- Organizations, their API keys, and which application tokens were ended.

-- name: ensure
insert into organizations (id, created_at) values (:organization, :now) on conflict do nothing

-- name: any_organization
select 1 from organizations limit 1

-- name: insert_key
insert into api_keys (id, organization, name, digest, scopes, created_at, expires_at, revoked_at)
values (:id, :organization, :name, :digest, :scopes, :created_at, :expires_at, :revoked_at)

-- name: revoke_key -- the first time stays
update api_keys set revoked_at = coalesce(revoked_at, :now) where organization = :organization and id = :id
returning id, organization, name, digest, scopes, created_at, expires_at, revoked_at

-- name: find_key
select id, organization, name, digest, scopes, created_at, expires_at, revoked_at from api_keys where id = :id

-- name: list_keys
select id, organization, name, digest, scopes, created_at, expires_at, revoked_at
from api_keys where organization = :organization order by id desc

-- name: drop_covered_revocations -- of the same tokens, when a new one ends more of them and no later
delete from revocations
where organization = :organization and application = :application and session_id is not distinct from :session_id
  and credential is not distinct from :credential and issued_until <= :issued_until and effective_at >= :effective_at

-- name: insert_revocation
insert into revocations (organization, application, session_id, credential, issued_until, effective_at, forget_at)
values (:organization, :application, :session_id, :credential, :issued_until, :effective_at, :forget_at)

-- name: list_revocations
select organization, application, session_id, credential, issued_until, effective_at, forget_at
from revocations where forget_at > :now
