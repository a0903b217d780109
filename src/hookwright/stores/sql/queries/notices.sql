-- The outbox of operational webhooks; notices about endpoints are written by triggers (see the schema). And whose they are.

-- name: attempt -- what an attempt came to, if somebody wants to know
insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, message, event_id, attempt,
                     response_status, attempted_at)
select w.organization, w.application, w.application_uid, w.endpoint, w.endpoint_uid, cast(:kind as text), cast(:message as text),
       (select event_id from messages where application = :application and id = :message), cast(:attempt as text),
       cast(:response_status as integer), cast(:attempted_at as bigint)
from watched w where w.endpoint = :endpoint and w.application = :application

-- name: list
select id, organization, application, application_uid, endpoint, endpoint_uid, kind, reason, fail_since, percent, message, event_id,
       attempt, response_status, attempted_at
from notices where id > :after order by id limit :limit

-- name: remove
delete from notices where id in (select value from json_each(:ids))

-- name: operational
select organization, id, uid, name, metadata, throttle_rate, created_at, updated_at
from applications where organization = :organization and purpose = 'operational' and purpose is not null and deleted_at is null

-- name: make_operational
insert into applications (organization, id, uid, name, metadata, throttle_rate, created_at, updated_at, purpose)
values (:organization, :id, null, :name, '{}', null, :created_at, :updated_at, 'operational')
