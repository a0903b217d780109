-- How endpoints are: columns in the order that `to_health` reads them. And turns.

-- name: find
select version, phase, until, trips, passed, prober, probe_until, not_before, ramp_from, failing_since, failures, warned
from endpoint_health where endpoint = :endpoint

-- name: endpoint_alive
select 1 from endpoints where application = :application and id = :endpoint and deleted_at is null

-- name: keep
insert into endpoint_health (endpoint, application, version, phase, until, trips, passed, prober, probe_until, not_before, ramp_from,
                             failing_since, failures, warned)
values (:endpoint, :application, :version, :phase, :until, :trips, :passed, :prober, :probe_until, :not_before, :ramp_from,
        :failing_since, :failures, :warned)
on conflict (endpoint) do update set
  version = excluded.version, phase = excluded.phase, until = excluded.until, trips = excluded.trips, passed = excluded.passed,
  prober = excluded.prober, probe_until = excluded.probe_until, not_before = excluded.not_before, ramp_from = excluded.ramp_from,
  failing_since = excluded.failing_since, failures = excluded.failures, warned = excluded.warned

-- name: remove
delete from endpoint_health where endpoint = :endpoint

-- name: disable
update endpoints set disabled_reason = :reason, updated_at = :now
where application = :application and id = :endpoint and disabled_reason is null

-- name: take_turns -- answers where the turns that follow begin; what is hours ahead was written by a clock that was
insert into rates (item, next_at) values (:item, cast(:now as bigint) + cast(:length as bigint))
on conflict (item) do update set
  next_at = case when rates.next_at between cast(:now as bigint) and cast(:now as bigint) + 3600000000 then rates.next_at
            else cast(:now as bigint) end + cast(:length as bigint)
returning next_at
