-- Endpoints and their sealed parts. Every select of whole endpoints names the columns in the order that `to_endpoint`
-- reads them. A reference is an id or a uid; a uid never looks like an id, so one key is found either way.

-- name: insert
insert into endpoints (
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, sealed_headers, sealed_access, created_at, updated_at
) values (
  :application, :id, :organization, :uid, :kind, :url, :description, :version, :event_types, :channels, :throttle_rate,
  :metadata, :disabled_reason, :options, :sealed_headers, :sealed_access, :created_at, :updated_at
)

-- name: update
update endpoints set
  uid = :uid, kind = :kind, url = :url, description = :description, version = :version, event_types = :event_types,
  channels = :channels, throttle_rate = :throttle_rate, metadata = :metadata, disabled_reason = :disabled_reason,
  options = :options, updated_at = :updated_at
where application = :application and id = :id and deleted_at is null

-- name: delete -- its sealed parts go at once
update endpoints set deleted_at = :now, sealed_headers = null, sealed_access = null where application = :application and id = :id

-- name: drop_secrets
delete from endpoint_secrets where endpoint = :endpoint

-- name: find -- by id or uid; a deleted one (by id) only when asked for
select
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, created_at, updated_at, sealed_headers, sealed_access
from endpoints
where application = :application
  and id = coalesce((select id from endpoints where application = :application and uid = :ref and deleted_at is null), :ref)
  and (deleted_at is null or :deleted)

-- name: load -- by id alone
select
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, created_at, updated_at, sealed_headers, sealed_access
from endpoints
where id = :id and deleted_at is null

-- name: by_ids -- deleted ones too
select
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, created_at, updated_at, sealed_headers, sealed_access
from endpoints
where application = :application and id in (select value from json_each(:ids))

-- name: list_up -- by the index of live ones: what was deleted is not walked over
select
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, created_at, updated_at
from endpoints indexed by endpoints_live
where application = :application and id >= :low and id < :high and deleted_at is null
order by id limit :limit

-- name: list_down
select
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, created_at, updated_at
from endpoints indexed by endpoints_live
where application = :application and id >= :low and id < :high and deleted_at is null
order by id desc limit :limit

-- name: fan_out -- all that are sent to
select
  application, id, organization, uid, kind, url, description, version, event_types, channels, throttle_rate, metadata,
  disabled_reason, options, created_at, updated_at
from endpoints indexed by endpoints_live
where application = :application and deleted_at is null and kind <> 'poller'
order by id

-- name: live_ids -- of the same
select id from endpoints indexed by endpoints_live where application = :application and deleted_at is null and kind <> 'poller' order by id

-- name: count
select count(*) from endpoints indexed by endpoints_live where application = :application and deleted_at is null

-- name: live_application
select organization from applications where id = :application and deleted_at is null

-- name: application -- by id or uid within its organization
select organization, id, uid, name, metadata, throttle_rate, created_at, updated_at
from applications
where organization = :organization
  and id = coalesce((select id from applications where organization = :organization and uid = :ref and deleted_at is null), :ref)
  and deleted_at is null and purpose is null

-- name: application_rate
select throttle_rate from applications where id = :application

-- name: sealed_headers
select sealed_headers from endpoints where application = :application and id = :id and deleted_at is null

-- name: set_headers
update endpoints set sealed_headers = :sealed, updated_at = :now where application = :application and id = :id

-- name: sealed_access
select sealed_access from endpoints where application = :application and id = :id and deleted_at is null

-- name: set_access
update endpoints set sealed_access = :sealed, updated_at = :now where application = :application and id = :id

-- name: secrets -- newest first
select sealed, created_at, expires_at from endpoint_secrets where endpoint = :endpoint order by position desc

-- name: insert_secret -- it becomes the current one
insert into endpoint_secrets (endpoint, created_at, position, sealed, expires_at)
values (:endpoint, :created_at, (select coalesce(max(position), 0) + 1 from endpoint_secrets where endpoint = :endpoint), :sealed, :expires_at)

-- name: signing_secrets -- old ones that still sign
select count(*) from endpoint_secrets where endpoint = :endpoint and expires_at > :now

-- name: retire_secret
update endpoint_secrets set expires_at = :expires_at where endpoint = :endpoint and expires_at is null

-- name: drop_expired_secrets
delete from endpoint_secrets where endpoint = :endpoint and expires_at <= :now
