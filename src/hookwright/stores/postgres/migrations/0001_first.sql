-- The first schema. Times are Unix milliseconds. Every identity starts with its organization, application or endpoint,
-- so that rows that are read together lie together, and a distributed database could shard by it. Names and order of
-- columns are those of the SQLite schema: most statements are the same text.
--
-- Ids sort by creation, so what is append-only (messages, contents, outcomes, attempts) is partitioned by ranges of ids,
-- a day each: a row is found by its id alone, and a day is dropped, not deleted. `partitions.py` makes the days.
-- "C" collation: ids and names are compared as bytes, as SQLite does.

create table organizations (
  id         text collate "C" primary key,
  created_at bigint not null
);

create table api_keys (
  id           text collate "C" primary key,
  organization text collate "C" not null,
  name         text not null,
  digest       bytea not null,         -- SHA-256 of the secret part; 256 random bits need no slow hash
  scopes       text not null,          -- JSON array
  created_at   bigint not null,
  expires_at   bigint,
  revoked_at   bigint
);
create index api_keys_organization on api_keys (organization, id);

create table revocations (
  organization  text collate "C" not null,
  application   text collate "C" not null,
  session_id    text,
  credential    text,
  issued_until  bigint not null,
  effective_at  bigint not null,
  forget_at     bigint not null
);
create index revocations_application on revocations (organization, application);

create table applications (
  organization  text collate "C" not null,
  id            text collate "C" not null,
  uid           text collate "C",
  name          text not null,
  metadata      text not null,         -- JSON object
  throttle_rate bigint,
  created_at    bigint not null,
  updated_at    bigint not null,
  deleted_at    bigint,
  primary key (organization, id)
);
create unique index applications_uid on applications (organization, uid) where uid is not null and deleted_at is null;
create unique index applications_id on applications (id);
create index applications_live on applications (organization, id) where deleted_at is null;

create table event_types (
  organization  text collate "C" not null,
  name          text collate "C" not null,
  description   text not null,
  archived      smallint not null,
  deprecated    smallint not null,
  schemas       text,                  -- JSON object or null
  feature_flags text not null,         -- JSON array
  group_name    text,
  created_at    bigint not null,
  updated_at    bigint not null,
  primary key (organization, name)
);

create table endpoints (
  application     text collate "C" not null,
  id              text collate "C" not null,
  organization    text collate "C" not null,
  uid             text collate "C",
  kind            text not null,
  url             text not null,
  description     text not null,
  version         bigint not null,
  event_types     text,                -- JSON array, null for all
  channels        text,                -- JSON array, null for all
  throttle_rate   bigint,
  metadata        text not null,       -- JSON object
  disabled_reason text,
  sealed_headers  bytea,
  created_at      bigint not null,
  updated_at      bigint not null,
  deleted_at      bigint,
  cleared_at      bigint,              -- when the last live delivery of a deleted endpoint was ended
  primary key (application, id)
);
create index endpoints_to_clear on endpoints (id) where deleted_at is not null and cleared_at is null;
create unique index endpoints_uid on endpoints (application, uid) where uid is not null and deleted_at is null;
create unique index endpoints_id on endpoints (id);
create index endpoints_live on endpoints (application, id) where deleted_at is null;

create table endpoint_secrets (
  endpoint   text collate "C" not null,
  created_at bigint not null,
  position   bigint not null,          -- grows; the largest is the current one
  sealed     bytea not null,
  expires_at bigint,                   -- null for the current one
  primary key (endpoint, position)
);

create table messages (
  application        text collate "C" not null,
  id                 text collate "C" not null,
  organization       text collate "C" not null,
  event_type         text not null,
  event_id           text,
  channels           text,             -- JSON array or null
  created_at         bigint not null,
  content_expires_at bigint not null,
  primary key (application, id)
) partition by range (id);
create table messages_other partition of messages default;

create table contents (
  message      text collate "C" primary key,
  content_type text not null,
  body         bytea not null,
  expires_at   bigint not null
) partition by range (message);
create table contents_other partition of contents default;
create index contents_expiry on contents (expires_at);

-- Uniqueness lives in a table of its own: event ids (scope: application) as long as their message.
create table event_ids (
  application text collate "C" not null,
  event_id    text collate "C" not null,
  message     text collate "C" not null,
  primary key (application, event_id)
);

-- Idempotency keys; `key` is a digest of credential, route and the caller's key.
create table idempotency_keys (
  key         bytea primary key,
  fingerprint bytea not null,
  answer      bytea not null,
  expires_at  bigint not null
);
create index idempotency_keys_expiry on idempotency_keys (expires_at);

-- Every process with an engine, while its lease lasts: it renews `seen_at` (the database's own time). What writes as a
-- node shares a lock on its row; who ends a node removes the row, if nothing is under way, and so stops whatever comes later.
create table nodes (
  epoch      bigint generated always as identity primary key,
  started_at bigint not null,
  seen_at    bigint not null
) with (fillfactor = 50);

-- Live deliveries, and nothing else: narrow, small, and empty when all is delivered. What is due is found by partial
-- indexes that a delivery which succeeds at once never enters.
create table deliveries (
  endpoint     text collate "C" not null,
  message      text collate "C" not null,
  round        integer not null,
  application  text collate "C" not null,
  organization text collate "C" not null,
  trigger      smallint not null,
  attempts     integer not null,
  due_at       bigint not null,
  owner        bigint not null,        -- epoch of the node that holds it; 0: claimable
  created_at   bigint not null,
  replayed     boolean not null default false, -- other rounds of the message at this endpoint live, or have ended
  primary key (endpoint, message, round)
) with (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off
);
create index deliveries_message on deliveries (message, endpoint);
create index deliveries_due on deliveries (endpoint, due_at) where owner = 0;

-- How deliveries ended; append-only.
create table outcomes (
  endpoint     text collate "C" not null,
  message      text collate "C" not null,
  round        integer not null,
  application  text collate "C" not null,
  organization text collate "C" not null,
  trigger      smallint not null,
  state        smallint not null,
  attempts     integer not null,
  last_attempt text,
  ended_at     bigint not null,
  primary key (endpoint, message, round)
) partition by range (message);
create table outcomes_other partition of outcomes default;
create index outcomes_message on outcomes (message, endpoint);

create table attempts (
  message         text collate "C" not null,
  id              text collate "C" not null,
  endpoint        text collate "C" not null,
  round           integer not null,
  application     text collate "C" not null,
  organization    text collate "C" not null,
  trigger         smallint not null,
  number          integer not null,
  url             text not null,
  event_type      text not null,
  channels        text,
  state           smallint not null,
  response_status integer not null,
  response        bytea not null,
  truncated       smallint not null,
  started_at      bigint not null,
  duration_ms     bigint not null,
  primary key (message, id)
) partition by range (id);
create table attempts_other partition of attempts default;
create index attempts_endpoint on attempts (endpoint, id);

-- Messages by their headline status at an endpoint, per hour in which the message was created. A slot per node, more or
-- less, so that nodes that deliver to the same endpoint do not wait for each other's commits; read as their sum.
create table counters (
  endpoint text collate "C" not null,
  hour     bigint not null,            -- Unix hours
  slot     smallint not null,
  success  bigint not null default 0,
  fail     bigint not null default 0,
  canceled bigint not null default 0,
  primary key (endpoint, hour, slot)
) with (fillfactor = 50);

create table recovers (
  id          text collate "C" primary key,
  application text collate "C" not null,
  endpoint    text collate "C" not null,
  after       text collate "C" not null, -- message ids; the mark moves from here
  until       text collate "C" not null,
  created_at  bigint not null,
  done_at     bigint
);
create index recovers_open on recovers (id) where done_at is null;

-- What changed that processes keep in memory. Written by triggers, so that no way of changing it can forget to tell.
create table news (
  id          bigint generated always as identity primary key,
  at          bigint not null default cast(extract(epoch from clock_timestamp()) * 1000 as bigint),
  kind        text not null,
  application text not null,
  item        text not null
);
create index news_at on news (at);

create function tell_application() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) values ('application', new.id, new.id);
  return null;
end $$;
create trigger tell after update on applications for each row execute function tell_application();

create function tell_endpoint() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) values ('endpoint', new.application, new.id);
  return null;
end $$;
create trigger tell after insert or update on endpoints for each row execute function tell_endpoint();

create function tell_secret() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) select 'endpoint', application, id from endpoints where id = new.endpoint;
  return null;
end $$;
create trigger tell after insert or update on endpoint_secrets for each row execute function tell_secret();

create function tell_message() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) values ('message', '', old.message);
  return null;
end $$;
-- Not of what expired: nobody is to hear of that.
create trigger tell after delete on contents for each row
  when (old.expires_at > extract(epoch from clock_timestamp()) * 1000) execute function tell_message();

create function tell_key() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) values ('key', '', new.id);
  return null;
end $$;
create trigger tell after update on api_keys for each row execute function tell_key();

create function tell_revocation() returns trigger language plpgsql as $$ begin
  insert into news (kind, application, item) values ('revocation', new.application, '');
  return null;
end $$;
create trigger tell after insert on revocations for each row execute function tell_revocation();
