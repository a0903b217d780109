-- name: application_alive
select 1 from applications where organization = ? and id = ? and deleted_at is null

-- name: take_event_id
insert into event_ids (application, event_id, message) values (?, ?, ?) on conflict do nothing

-- name: insert_message
insert into messages (application, id, organization, event_type, event_id, channels, created_at, content_expires_at)
values (?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_content
insert into contents (message, content_type, body, expires_at) values (?, ?, ?, ?)

-- name: insert_delivery  (only while its endpoint exists: it may be deleted in this very group)
insert into deliveries (endpoint, message, round, application, organization, trigger, attempts, due_at, owner, created_at)
select ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9
where exists (select 1 from endpoints where application = ?4 and id = ?1 and deleted_at is null)

-- name: moment -- by which a message may be late: none, as messages are committed in the order of their ids
select null
