-- Applications. Every select names the columns in the order that `to_application` reads them. A reference is an id or
-- a uid; a uid never looks like an id, so one key is found either way. One with a purpose is not for customers: see `notices.sql`.

-- name: insert
insert into applications (organization, id, uid, name, metadata, throttle_rate, created_at, updated_at)
values (:organization, :id, :uid, :name, :metadata, :throttle_rate, :created_at, :updated_at)

-- name: update
update applications set uid = :uid, name = :name, metadata = :metadata, throttle_rate = :throttle_rate, updated_at = :updated_at
where organization = :organization and id = :id and deleted_at is null

-- name: delete
update applications set deleted_at = :now where organization = :organization and id = :id

-- name: drop_secrets -- they go at once
delete from endpoint_secrets where endpoint in (select id from endpoints where application = :application and deleted_at is null)

-- name: delete_endpoints
update endpoints set deleted_at = :now, sealed_headers = null, sealed_access = null where application = :application and deleted_at is null

-- name: find
select organization, id, uid, name, metadata, throttle_rate, created_at, updated_at
from applications
where organization = :organization
  and id = coalesce((select id from applications where organization = :organization and uid = :ref and deleted_at is null), :ref)
  and deleted_at is null and purpose is null

-- name: list_up -- by the index of live ones: what was deleted is not walked over
select organization, id, uid, name, metadata, throttle_rate, created_at, updated_at
from applications indexed by applications_live
where organization = :organization and id >= :low and id < :high and deleted_at is null and purpose is null
order by id limit :limit

-- name: list_down
select organization, id, uid, name, metadata, throttle_rate, created_at, updated_at
from applications indexed by applications_live
where organization = :organization and id >= :low and id < :high and deleted_at is null and purpose is null
order by id desc limit :limit
