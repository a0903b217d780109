-- What the database itself notes of a torture, in the transactions that it notes. Each node has a user of its own, so
-- that the database knows who writes; what is not noted cannot be told by anybody afterwards.

create table torture_nodes (epoch bigint primary key, holder text not null, began_at double precision not null);
create table torture_ends (epoch bigint primary key, ended_by text not null, ended_at double precision not null);
create table torture_freed (epoch bigint not null, endpoint text not null, message text not null);
create table torture_breaches (holder text not null, epoch bigint not null, endpoint text not null, message text not null);

create function torture_began() returns trigger language plpgsql as $$ begin
  insert into torture_nodes values (new.epoch, session_user, extract(epoch from clock_timestamp()));
  return null;
end $$;
create trigger torture_began after insert on nodes for each row execute function torture_began();

-- What a node held and had not settled when it was ended: only these may be sent again.
create function torture_ended() returns trigger language plpgsql as $$ begin
  insert into torture_ends values (old.epoch, session_user, extract(epoch from clock_timestamp()));
  insert into torture_freed select old.epoch, endpoint, message from deliveries where owner = old.epoch;
  return null;
end $$;
create trigger torture_ended after delete on nodes for each row execute function torture_ended();

-- A delivery is settled by the node that owns it while that one is a node, or it is a breach. A function that is volatile
-- sees what was committed until now, not until its statement began: a node that was ended meanwhile is not found.
create function torture_settled() returns trigger language plpgsql volatile as $$ begin
  if not exists (select 1 from nodes join torture_nodes using (epoch) where epoch = old.owner and holder = session_user) then
    insert into torture_breaches values (session_user, old.owner, old.endpoint, old.message);
  end if;
  return null;
end $$;
create trigger torture_ended_delivery after delete on deliveries for each row execute function torture_settled();
create trigger torture_tried_delivery after update of attempts on deliveries for each row
  when (new.attempts <> old.attempts) execute function torture_settled();
