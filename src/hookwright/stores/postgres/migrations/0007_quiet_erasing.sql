-- expand: what goes with a deleted application is no news: nobody has its messages in memory any more
-- cost: a moment, whatever the size

create or replace function tell_message() returns trigger language plpgsql as $$ begin
  if current_setting('hookwright.erasing', true) = 'on' then return null; end if;
  insert into news (kind, application, item) values ('message', '', old.message);
  return null;
end $$;
