-- What `doctor` asks of a database that nobody serves.

-- name: newest_message
select max(created_at) from messages

-- name: holds_data -- whether there is anything that a lost key would shut in
select exists(select 1 from organizations)
