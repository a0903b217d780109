-- Accepting messages, a whole group in one statement (P1); and what is written differently here.

-- name: create
-- One array per column. `n` numbers the messages of the group, `d_n` says to which of them a delivery belongs, and `d`
-- numbers the deliveries. Each step works on what the step before let through, so that one bad item costs only itself.
-- What is late is judged by a time that lies in this transaction: readers (`pollers.sql`) look at who is in one, then at what is there.
-- `{...}`: see `messages.py`.
with node as (
  select epoch from nodes where epoch = :owner for key share
), moment as (
  select cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as now
), asked as (
  select * from unnest(
    cast(:n as integer[]), cast(:application as text[]), cast(:id as text[]), cast(:organization as text[]),
    cast(:event_type as text[]), cast(:event_id as text[]), cast(:channels as text[]), cast(:created_at as bigint[]),
    cast(:content_expires_at as bigint[]), cast(:content_type as text[]), cast(:body as bytea[]),
    cast(:key as bytea[]), cast(:fingerprint as bytea[]), cast(:answer as bytea[]), cast(:key_expires_at as bigint[]),
    cast(:latest as bigint[])
  ) as t (n, application, id, organization, event_type, event_id, channels, created_at, content_expires_at, content_type,
          body, key, fingerprint, answer, key_expires_at, latest)
), alive as (
  select * from asked
  where latest >= (select now from moment) and (cast(:owner as bigint) = 0 or exists (select 1 from node)) and exists (
    select 1 from applications a
    where a.organization = asked.organization and a.id = asked.application and a.deleted_at is null)
), keyed as (
  insert into idempotency_keys as k (key, fingerprint, answer, expires_at)
  select key, fingerprint, answer, key_expires_at from alive where key is not null order by key
  on conflict (key) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer, expires_at = excluded.expires_at
    where k.expires_at <= :now
  returning key
), fresh as (
  select * from alive where key is null or key in (select key from keyed)
), named as (
  insert into event_ids (application, event_id, message)
  select application, event_id, id from fresh where event_id is not null order by application, event_id
  on conflict do nothing
  returning message
), good as (
  select * from fresh where event_id is null or id in (select message from named)
), written as (
  insert into messages (application, id, organization, event_type, event_id, channels, created_at, content_expires_at)
  select application, id, organization, event_type, event_id, channels, created_at, content_expires_at from good
), kept as (
  insert into contents (message, content_type, body, expires_at)
  select id, content_type, body, content_expires_at from good
), wanted as (
  select w.d, w.endpoint, w.due_at, w.owner, good.id, good.application, good.organization, good.created_at
  from unnest(
    cast(:d as integer[]), cast(:d_n as integer[]), cast(:d_endpoint as text[]), cast(:d_due_at as bigint[]), cast(:d_owner as bigint[])
  ) as w (d, n, endpoint, due_at, owner)
  join good using (n)
  where exists (select 1 from endpoints e where e.application = good.application and e.id = w.endpoint and e.deleted_at is null)
), {placed}fanned as (
  insert into deliveries (endpoint, message, round, application, organization, trigger, attempts, due_at, owner, created_at{position})
  select endpoint, id, 0, application, organization, 0, 0, due_at, owner, created_at{place} from wanted{places}
)
select
  exists (select 1 from node),
  array(select n from alive),
  array(select n from fresh),
  array(select n from good),
  array(select d from wanted),
  (select now from moment)

-- name: remembered
select key, fingerprint, answer from idempotency_keys where key = any(cast(:keys as bytea[])) and expires_at > :now

-- name: forget_keys -- of items that were refused after all
delete from idempotency_keys where key = any(cast(:keys as bytea[]))

-- name: insert_delivery -- of a round by hand, which the rounds that live must know of; its endpoint may have been deleted
with new as (
  select cast(?1 as text) as endpoint, cast(?2 as text) as message, cast(?3 as integer) as round, cast(?4 as text) as application,
         cast(?5 as text) as organization, cast(?6 as smallint) as trigger, cast(?7 as bigint) as due_at, cast(?8 as bigint) as owner,
         cast(?9 as bigint) as created_at
), told as (
  update deliveries d set replayed = true from new where d.endpoint = new.endpoint and d.message = new.message
)
insert into deliveries (endpoint, message, round, application, organization, trigger, attempts, due_at, owner, created_at, replayed)
select endpoint, message, round, application, organization, trigger, 0, due_at, owner, created_at, true
from new
where exists (select 1 from endpoints e where e.application = new.application and e.id = new.endpoint and e.deleted_at is null)

-- name: moment
select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)
