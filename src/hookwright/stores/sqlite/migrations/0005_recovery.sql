-- expand: endpoints have a health, an order and more settings; tasks go on in the background; operational webhooks, pollers
-- cost: a moment, whatever the size

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
  code       text not null,
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
  mark         text not null,          -- message id: up to here it is done
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
create index tasks_endpoint on tasks (application, endpoint);
create index tasks_done on tasks (done_at) where done_at is not null;

-- What an organization is to be told of, until it is a message to its operational endpoints; only if it has any.
create table notices (
  id           text primary key,
  organization text not null,
  application  text not null,
  kind         text not null,          -- the event type
  data         text not null,          -- JSON
  created_at   integer not null
) strict, without rowid;
create index notices_application on notices (application);

-- How far a consumer of a polling endpoint has read.
create table consumers (
  endpoint   text not null,
  consumer   text not null,
  mark       text not null,
  updated_at integer not null,
  primary key (endpoint, consumer)
) strict, without rowid;
