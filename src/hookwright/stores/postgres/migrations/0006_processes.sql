-- expand: who keeps something in memory that changed is told at once, where it can listen; what it is stands in `news`
-- cost: a moment, whatever the size

create function say_news() returns trigger language plpgsql as $$ begin
  perform pg_notify('hookwright', 'news');
  return null;
end $$;
create trigger say after insert on news for each statement execute function say_news();
