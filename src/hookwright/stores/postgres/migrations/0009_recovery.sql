-- expand: endpoints have a health, an order and more settings; tasks go on in the background; operational webhooks, pollers
-- cost: an index of what was given up is built, which looks at all that ended; settling waits for it, a second or two a million

alter table endpoints add column options text not null default '{}';     -- JSON: `domain.endpoints.Options`
alter table endpoints add column sealed_access bytea;                     -- what lets us in there: a sealed JSON object
alter table applications add column purpose text;                        -- null: a customer; 'operational': the organization's own events

-- Where an endpoint is not simply well. `version` grows with each change: who changes it names the one it knows.
create table endpoint_health (
  endpoint      text collate "C" primary key,
  application   text collate "C" not null,
  version       bigint not null,
  phase         smallint not null,      -- 0 closed, 1 open, 2 half open
  until         bigint not null,      -- open: no attempt before
  trips         integer not null,      -- openings since it was well
  passed        integer not null,      -- half open: attempts that succeeded, one after another
  prober        bigint not null,      -- epoch of the node that makes the one attempt; 0: nobody
  probe_until   bigint not null,      -- then another may
  not_before    bigint not null,      -- it asked for patience (Retry-After)
  ramp_from     bigint not null,      -- slow start since; 0: none
  failing_since bigint,               -- first failure after the last success
  failures      integer not null,      -- since then
  warned        smallint not null       -- percent of the failure clock that was told of: 0, 50, 75
);

-- Of ordered endpoints: the place that the next delivery gets.
create table endpoint_positions (
  endpoint text collate "C" primary key,
  next     bigint not null
);
alter table deliveries add column position bigint not null default 0;   -- at an ordered endpoint, in the order of commits; else 0
create index deliveries_order on deliveries (endpoint, position) where position > 0;

-- When the next message may be sent, of an endpoint or application with a rate.
create table rates (
  item    text collate "C" primary key,
  next_at bigint not null             -- microseconds
);

create table transformations (
  endpoint   text collate "C" primary key,
  code       text not null,                -- empty: none
  enabled    smallint not null,
  variables  bytea,                    -- sealed JSON object
  updated_at bigint not null
);

-- Work in the background that survives a restart: replays.
create table tasks (
  id           text collate "C" primary key,
  organization text collate "C" not null,
  application  text collate "C" not null,
  endpoint     text collate "C" not null,
  kind         text not null,
  state        text not null,          -- running, finished, failed, canceled
  request      text not null,          -- JSON: what was asked for
  mark         text collate "C" not null,          -- message id: it goes on from here
  looked       bigint not null,       -- messages
  done         bigint not null,       -- deliveries added
  total        bigint,                -- how many messages there are to look at, where that is known
  next_at      bigint not null,       -- no slice before
  problem      text,
  created_at   bigint not null,
  updated_at   bigint not null,
  done_at      bigint
);
create index tasks_open on tasks (next_at, id) where done_at is null;
create index tasks_organization on tasks (organization, id);
create index tasks_endpoint on tasks (application, endpoint, done_at);
create index tasks_done on tasks (done_at) where done_at is not null;

-- Deliveries that were given up, for the list of dead letters; what succeeds never enters it.
create index outcomes_failed on outcomes (application, message, endpoint, round) where state = 2;

-- What organizations are to be told of: the outbox of their operational webhooks. A notice is written in the transaction of what it
-- tells of, and goes when it is a message. Triggers write those about endpoints, so that no way of changing one can forget to.
create table notices (
  id              bigint generated always as identity primary key,
  organization    text collate "C" not null,
  application     text collate "C" not null,
  application_uid text,
  endpoint        text collate "C" not null,
  endpoint_uid    text,
  kind            text not null,          -- the event type
  reason          text,                   -- why it was disabled: `domain.endpoints.DisabledReason`
  fail_since      bigint,
  percent         smallint,               -- of the failure clock
  message         text collate "C",
  event_id        text,                   -- the message's
  attempt         text collate "C",
  response_status integer,
  attempted_at    bigint
);
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

create function note_endpoint() returns trigger language plpgsql as $$ begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind) select *, tg_argv[0] from watched
  where endpoint = new.id;
  return null;
end $$;
create trigger note_created after insert on endpoints for each row execute function note_endpoint('endpoint.created');
create trigger note_updated after update of url on endpoints for each row -- what changes the whole of it; not what only disables it
  execute function note_endpoint('endpoint.updated');
create trigger note_enabled after update of disabled_reason on endpoints for each row
  when (old.disabled_reason is not null and new.disabled_reason is null) execute function note_endpoint('endpoint.enabled');
create trigger note_deleted after update of deleted_at on endpoints for each row
  when (old.deleted_at is null and new.deleted_at is not null) execute function note_endpoint('endpoint.deleted');

create function note_disabled() returns trigger language plpgsql as $$ begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, reason, fail_since)
  select w.*, 'endpoint.disabled', new.disabled_reason, case when new.disabled_reason in ('gone', 'failing', 'exhausted') then
    coalesce((select failing_since from endpoint_health where endpoint = new.id), new.updated_at) end
  from watched w where endpoint = new.id;
  return null;
end $$;
create trigger note_disabled after update of disabled_reason on endpoints for each row
  when (old.disabled_reason is null and new.disabled_reason is not null) execute function note_disabled();

create function note_rotated() returns trigger language plpgsql as $$ begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind) select *, 'endpoint.updated' from watched
  where endpoint = new.endpoint;
  return null;
end $$;
create trigger note_rotated after update of expires_at on endpoint_secrets for each row
  when (old.expires_at is null and new.expires_at is not null) execute function note_rotated();

create function note_failing() returns trigger language plpgsql as $$ begin
  insert into notices (organization, application, application_uid, endpoint, endpoint_uid, kind, fail_since, percent)
  select w.*, 'endpoint.failing', new.failing_since, new.warned from watched w where endpoint = new.endpoint;
  return null;
end $$;
create trigger note_failing after update of warned on endpoint_health for each row
  when (new.warned > old.warned and new.warned < 100) execute function note_failing();
create trigger note_failing_first after insert on endpoint_health for each row
  when (new.warned between 1 and 99) execute function note_failing();

-- How far a consumer of a polling endpoint has read.
create table consumers (
  endpoint   text collate "C" not null,
  consumer   text collate "C" not null,
  mark       text collate "C" not null,
  updated_at bigint not null,
  primary key (endpoint, consumer)
);

-- Others are told when it is not only counted on.
create function tell_health() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) values ('health', new.application, new.endpoint);
  return null;
end $$;
create trigger tell_new after insert on endpoint_health for each row
  when ((new.phase, new.not_before, new.ramp_from) is distinct from (cast(0 as smallint), cast(0 as bigint), cast(0 as bigint)))
  execute function tell_health();
create trigger tell after update on endpoint_health for each row
  when ((old.phase, old.until, old.prober, old.not_before, old.ramp_from)
    is distinct from (new.phase, new.until, new.prober, new.not_before, new.ramp_from))
  execute function tell_health();

create function tell_transformation() returns trigger language plpgsql as $$ begin
  if current_setting('hookwright.resealing', true) = 'on' then return null; end if;
  insert into news (kind, application, item) select 'endpoint', application, id from endpoints where id = new.endpoint;
  return null;
end $$;
create trigger tell after insert or update on transformations for each row execute function tell_transformation();
