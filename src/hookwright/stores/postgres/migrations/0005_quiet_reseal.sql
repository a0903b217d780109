-- expand: a value that is sealed anew is no news: it opens to what it did
-- cost: a moment, whatever the size

create or replace function tell_endpoint() returns trigger language plpgsql as $$ begin
  if current_setting('hookwright.resealing', true) = 'on' then return null; end if;
  insert into news (kind, application, item) values ('endpoint', new.application, new.id);
  return null;
end $$;

create or replace function tell_secret() returns trigger language plpgsql as $$ begin
  if current_setting('hookwright.resealing', true) = 'on' then return null; end if;
  insert into news (kind, application, item) select 'endpoint', application, id from endpoints where id = new.endpoint;
  return null;
end $$;
