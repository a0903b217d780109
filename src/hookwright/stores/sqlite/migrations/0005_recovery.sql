-- expand: endpoints have a health, an order and more settings; tasks go on in the background; operational webhooks, pollers
-- cost: an index of what was given up is built, which looks at all that ended; the start waits for it, a second or two a million

alter table endpoints add column options text not null default '{}';     -- JSON: `domain.endpoints.Options`
alter table endpoints add column sealed_access blob;                     -- what lets us in there: a sealed JSON object
alter table applications add column purpose text;                        -- null: a customer; 'operational': the organization's own events

-- Where an endpoint is not simply well. `version` grows with each change: who changes it names the one it knows.
create table endpoint_health (
  endpoint      text primary key,
  application   text not null,
  version       integer not null,
  phase         integer not null,      -- 0 closed, 1 open, 2 half open
  until         integer not null,      -- open: no attempt before
  trips         integer not null,      -- openings since it was well
  passed        integer not null,      -- half open: attempts that succeeded, one after another
  prober        integer not null,      -- epoch of the node that makes the one attempt; 0: nobody
  probe_until   integer not null,      -- then another may
  not_before    integer not null,      -- it asked for patience (Retry-After)
  ramp_from     integer not null,      -- slow start since; 0: none
  failing_since integer,               -- first failure after the last success
  failures      integer not null,      -- since then
  warned        integer not null       -- percent of the failure clock that was told of: 0, 50, 75
) strict, without rowid;

-- Of ordered endpoints: the place that the next delivery gets.
create table endpoint_positions (
  endpoint text primary key,
  next     integer not null
) strict, without rowid;
alter table deliveries add column position integer not null default 0;   -- at an ordered endpoint, in the order of commits; else 0
create index deliveries_order on deliveries (endpoint, position) where position > 0;

-- When the next message may be sent, of an endpoint or application with a rate.
create table rates (
  item    text primary key,
  next_at integer not null             -- microseconds
) strict, without rowid;

create table transformations (
  endpoint   text primary key,
  code       text not null,                -- empty: none
  enabled    integer not null,
  variables  blob,                     -- sealed JSON object
  updated_at integer not null
) strict, without rowid;

-- Work in the background that survives a restart: replays.
create table tasks (
  id           text primary key,
  organization text not null,
  application  text not null,
  endpoint     text not null,
  kind         text not null,
  state        text not null,          -- running, finished, failed, canceled
  request      text not null,          -- JSON: what was asked for
  mark         text not null,          -- message id: it goes on from here
  looked       integer not null,       -- messages
  done         integer not null,       -- deliveries added
  total        integer,                -- how many messages there are to look at, where that is known
  next_at      integer not null,       -- no slice before
  problem      text,
  created_at   integer not null,
  updated_at   integer not null,
  done_at      integer
) strict, without rowid;
create index tasks_open on tasks (next_at, id) where done_at is null;
create index tasks_organization on tasks (organization, id);
create index tasks_endpoint on tasks (application, endpoint, done_at);
create index tasks_done on tasks (done_at) where done_at is not null;

-- Deliveries that were given up, for the list of dead letters; what succeeds never enters it.
create index outcomes_failed on outcomes (application, message, endpoint, round) where state = 2;

-- What organizations are to be told of: the outbox of their operational webhooks. A notice is written in the transaction of what it
-- tells of, and goes when it is a message. Triggers write those about endpoints, so that no way of changing one can forget to.
create table notices (
  id              integer primary key autoincrement,
  organization    text not null,
  application     text not null,
  application_uid text,
  endpoint        text not null,
  endpoint_uid    text,
  kind            text not null,          -- the event type
  reason          text,                   -- why it was disabled: `domain.endpoints.DisabledReason`
  fail_since      integer,
  percent         integer,                -- of the failure clock
  message         text,
  event_id        text,                   -- the message's
  attempt         text,
  response_status integer,
  attempted_at    integer
) strict;
create index notices_application on notices (application);
create unique index applications_purpose on applications (organization, purpose) where purpose is not null and deleted_at is null;

-- Endpoints that there may be notices of: somebody wants to know, and they are not themselves who is told. So no notice follows
-- from the delivery of another.
create view watched as
select e.organization, e.application, a.uid as application_uid, e.id as endpoint, e.uid as endpoint_uid
from endpoints e join applications a on a.organization = e.organization and a.id = e.application
where a.purpose is null and a.deleted_at is null and exists (
  select 1 from applications o where o.organization = e.organization and o.purpose is not null and o.deleted_at is null
    and exists (select 1 from endpoints t where t.application = o.id and t.deleted_at is null));

create trigger note_created after insert on endpoints begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind)
  select w.*, 'endpoint.created' from watched w where endpoint = new.id;
end;
create trigger note_updated after update of url on endpoints begin -- what changes the whole of it; not what only disables it
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind)
  select w.*, 'endpoint.updated' from watched w where endpoint = new.id;
end;
create trigger note_enabled after update of disabled_reason on endpoints
when old.disabled_reason is not null and new.disabled_reason is null begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind)
  select w.*, 'endpoint.enabled' from watched w where endpoint = new.id;
end;
create trigger note_disabled after update of disabled_reason on endpoints
when old.disabled_reason is null and new.disabled_reason is not null begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, reason, fail_since)
  select w.*, 'endpoint.disabled', new.disabled_reason, case when new.disabled_reason in ('gone', 'failing', 'exhausted') then
    coalesce((select failing_since from endpoint_health where endpoint = new.id), new.updated_at) end
  from watched w where endpoint = new.id;
end;
create trigger note_deleted after update of deleted_at on endpoints when old.deleted_at is null and new.deleted_at is not null begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind)
  select w.*, 'endpoint.deleted' from watched w where endpoint = new.id;
end;
create trigger note_rotated after update of expires_at on endpoint_secrets
when old.expires_at is null and new.expires_at is not null begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind)
  select w.*, 'endpoint.updated' from watched w where endpoint = new.endpoint;
end;
create trigger note_failing after update of warned on endpoint_health when new.warned > old.warned and new.warned < 100 begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, fail_since, percent)
  select w.*, 'endpoint.failing', new.failing_since, new.warned from watched w where endpoint = new.endpoint;
end;
create trigger note_failing_first after insert on endpoint_health when new.warned between 1 and 99 begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, fail_since, percent)
  select w.*, 'endpoint.failing', new.failing_since, new.warned from watched w where endpoint = new.endpoint;
end;

-- How far a consumer of a polling endpoint has read.
create table consumers (
  endpoint   text not null,
  consumer   text not null,
  mark       text not null,
  updated_at integer not null,
  primary key (endpoint, consumer)
) strict, without rowid;
