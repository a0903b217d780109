-- name: open_node
insert into nodes (started_at) values (?) returning epoch

-- name: alive
select 1 from nodes where epoch = ?

-- name: end_others
delete from nodes where epoch <> ?

-- name: end
delete from nodes where epoch = ?

-- name: take_over
update deliveries set owner = 0 where owner not in (0, ?)

-- name: close
update deliveries set owner = 0 where owner = ?
