-- The first schema. Times are Unix milliseconds. Every identity starts with its organization, application or endpoint,
-- so that rows that are read together lie together, and a distributed database could shard by it.

create table organizations (
  id         text primary key,
  created_at integer not null
) strict, without rowid;

create table api_keys (
  id           text primary key,
  organization text not null,
  name         text not null,
  digest       blob not null,          -- SHA-256 of the secret part; 256 random bits need no slow hash
  scopes       text not null,          -- JSON array
  created_at   integer not null,
  expires_at   integer,
  revoked_at   integer
) strict, without rowid;
create index api_keys_organization on api_keys (organization, id);

create table revocations (
  organization  text not null,
  application   text not null,
  session_id    text,
  credential    text,
  issued_until  integer not null,
  effective_at  integer not null,
  forget_at     integer not null
) strict;
create index revocations_application on revocations (organization, application);

create table applications (
  organization  text not null,
  id            text not null,
  uid           text,
  name          text not null,
  metadata      text not null,         -- JSON object
  throttle_rate integer,
  created_at    integer not null,
  updated_at    integer not null,
  deleted_at    integer,
  primary key (organization, id)
) strict, without rowid;
create unique index applications_uid on applications (organization, uid) where uid is not null and deleted_at is null;
create unique index applications_id on applications (id);
create index applications_live on applications (organization, id) where deleted_at is null;

create table event_types (
  organization  text not null,
  name          text not null,
  description   text not null,
  archived      integer not null,
  deprecated    integer not null,
  schemas       text,                  -- JSON object or null
  feature_flags text not null,         -- JSON array
  group_name    text,
  created_at    integer not null,
  updated_at    integer not null,
  primary key (organization, name)
) strict, without rowid;

create table endpoints (
  application     text not null,
  id              text not null,
  organization    text not null,
  uid             text,
  kind            text not null,
  url             text not null,
  description     text not null,
  version         integer not null,
  event_types     text,                -- JSON array, null for all
  channels        text,                -- JSON array, null for all
  throttle_rate   integer,
  metadata        text not null,       -- JSON object
  disabled_reason text,
  sealed_headers  blob,
  created_at      integer not null,
  updated_at      integer not null,
  deleted_at      integer,
  cleared_at      integer,             -- when the last live delivery of a deleted endpoint was ended
  primary key (application, id)
) strict, without rowid;
create index endpoints_to_clear on endpoints (id) where deleted_at is not null and cleared_at is null;
create unique index endpoints_uid on endpoints (application, uid) where uid is not null and deleted_at is null;
create unique index endpoints_id on endpoints (id);
create index endpoints_live on endpoints (application, id) where deleted_at is null;

create table endpoint_secrets (
  endpoint   text not null,
  created_at integer not null,
  position   integer not null,         -- grows; the largest is the current one
  sealed     blob not null,
  expires_at integer,                  -- null for the current one
  primary key (endpoint, position)
) strict, without rowid;

create table messages (
  application        text not null,
  id                 text not null,
  organization       text not null,
  event_type         text not null,
  event_id           text,
  channels           text,             -- JSON array or null
  created_at         integer not null,
  content_expires_at integer not null,
  primary key (application, id)
) strict, without rowid;

create table contents (
  message      text primary key,
  content_type text not null,
  body         blob not null,
  expires_at   integer not null
) strict, without rowid;

create index contents_expiry on contents (expires_at);

-- Uniqueness lives in a table of its own: event ids (scope: application) as long as their message.
create table event_ids (
  application text not null,
  event_id    text not null,
  message     text not null,
  primary key (application, event_id)
) strict, without rowid;

-- Idempotency keys; `key` is a digest of credential, route and the caller's key.
create table idempotency_keys (
  key         blob primary key,
  fingerprint blob not null,
  answer      blob not null,
  expires_at  integer not null
) strict, without rowid;

create index idempotency_keys_expiry on idempotency_keys (expires_at);

create table nodes (
  epoch      integer primary key autoincrement,
  started_at integer not null
) strict;

-- Live deliveries, and nothing else: narrow, small, and empty when all is delivered.
create table deliveries (
  endpoint     text not null,
  message      text not null,
  round        integer not null,
  application  text not null,
  organization text not null,
  trigger      integer not null,
  attempts     integer not null,
  due_at       integer not null,
  owner        integer not null,       -- epoch of the node that holds it; 0: claimable
  created_at   integer not null,
  primary key (endpoint, message, round)
) strict, without rowid;
create index deliveries_message on deliveries (message, endpoint);
create index deliveries_due on deliveries (endpoint, due_at) where owner = 0;

-- How deliveries ended; append-only.
create table outcomes (
  endpoint     text not null,
  message      text not null,
  round        integer not null,
  application  text not null,
  organization text not null,
  trigger      integer not null,
  state        integer not null,
  attempts     integer not null,
  last_attempt text,
  ended_at     integer not null,
  primary key (endpoint, message, round)
) strict, without rowid;
create index outcomes_message on outcomes (message, endpoint);

create table attempts (
  message         text not null,
  id              text not null,
  endpoint        text not null,
  round           integer not null,
  application     text not null,
  organization    text not null,
  trigger         integer not null,
  number          integer not null,
  url             text not null,
  event_type      text not null,
  channels        text,
  state           integer not null,
  response_status integer not null,
  response        blob not null,
  truncated       integer not null,
  started_at      integer not null,
  duration_ms     integer not null,
  primary key (message, id)
) strict, without rowid;
create index attempts_endpoint on attempts (endpoint, id);

-- Messages by their headline status at an endpoint, per hour in which the message was created.
create table counters (
  endpoint text not null,
  hour     integer not null,           -- Unix hours
  success  integer not null default 0,
  fail     integer not null default 0,
  canceled integer not null default 0,
  primary key (endpoint, hour)
) strict, without rowid;

create table recovers (
  id          text primary key,
  application text not null,
  endpoint    text not null,
  after       text not null,           -- message ids; the mark moves from here
  until       text not null,
  created_at  integer not null,
  done_at     integer
) strict, without rowid;
create index recovers_open on recovers (id) where done_at is null;
