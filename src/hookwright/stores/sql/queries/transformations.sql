-- Transformations, each by its endpoint: columns in the order that `to_transformation` reads them.

-- name: endpoint_alive
select 1 from endpoints where application = :application and id = :endpoint and deleted_at is null

-- name: find
select code, enabled, variables, updated_at from transformations where endpoint = :endpoint

-- name: change -- null: what is there stays
insert into transformations (endpoint, code, enabled, variables, updated_at)
values (:endpoint, coalesce(:code, ''), coalesce(:enabled, 0), :variables, :now)
on conflict (endpoint) do update set
  code = coalesce(:code, transformations.code), enabled = coalesce(:enabled, transformations.enabled),
  variables = case when :with_variables then :variables else transformations.variables end, updated_at = :now
returning code, enabled, variables, updated_at

-- name: drop
delete from transformations where endpoint = :endpoint
