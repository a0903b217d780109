-- expand: endpoints have a health, an order and more settings; tasks go on in the background; operational webhooks, pollers
-- cost: a moment, whatever the size

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
  code       text not null,
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
  mark         text collate "C" not null,          -- message id: up to here it is done
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
create index tasks_endpoint on tasks (application, endpoint);
create index tasks_done on tasks (done_at) where done_at is not null;

-- What an organization is to be told of, until it is a message to its operational endpoints; only if it has any.
create table notices (
  id           text collate "C" primary key,
  organization text collate "C" not null,
  application  text collate "C" not null,
  kind         text not null,          -- the event type
  data         text not null,          -- JSON
  created_at   bigint not null
);
create index notices_application on notices (application);

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
  insert into news (kind, application, item) select 'endpoint', application, id from endpoints where id = new.endpoint;
  return null;
end $$;
create trigger tell after insert or update on transformations for each row execute function tell_transformation();
