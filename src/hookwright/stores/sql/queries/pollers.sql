-- Polling endpoints.

-- name: horizon -- one process writes, and commits its messages in the order in which it minted their ids
select null

-- name: live_endpoint
select 1 from endpoints where application = :application and id = :endpoint and deleted_at is null

-- name: find
select mark from consumers where endpoint = :endpoint and consumer = :consumer

-- name: some
select consumer from consumers where endpoint = :endpoint order by consumer limit :limit

-- name: mark
insert into consumers (endpoint, consumer, mark, updated_at) values (:endpoint, :consumer, :mark, :now)
on conflict (endpoint, consumer) do update set mark = excluded.mark, updated_at = excluded.updated_at
