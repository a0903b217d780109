"""How endpoints are, kept by whoever knew what was there before; and what is kept goes with its endpoint."""

import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.endpoints import DisabledReason, Endpoint
from hookwright.domain.health import Health, Phase
from hookwright.store.deliveries import CancelDeliveries
from hookwright.store.endpoints import DeleteEndpoint, FindEndpoint, LoadEndpoint, UpdateEndpoint
from hookwright.store.health import FindHealth, SaveHealth
from hookwright.store.retention import Erase

from .conftest import OpenStore
from .makers import HOUR, NOW, World, check
from .tables import ReadTables, naming

SICK = Health(
    phase=Phase.HALF_OPEN, until=NOW + 1, trips=2, passed=1, prober=2**40, probe_until=NOW + 2, not_before=NOW + 3, ramp_from=NOW + 4,
    failing_since=NOW - HOUR, failures=12, warned=50,
)  # fmt: skip
"""Every field has a value of its own."""


async def save(world: World, endpoint: Endpoint, health: Health, **fields: Any) -> Health:
    values: dict[str, Any] = {"application": endpoint.application, "endpoint": endpoint.id, "health": health, "now": world.now}
    return await world.store.write(SaveHealth(**values | fields))


async def kept(world: World, endpoint: Endpoint) -> Health:
    return await world.store.read(FindHealth(endpoint=endpoint.id))


async def disabled_reason(world: World, endpoint: Endpoint) -> DisabledReason | None:
    found = await world.store.read(FindEndpoint(application=endpoint.application, ref=endpoint.id))
    assert found is not None
    return found.disabled_reason


def unversioned(health: Health) -> Health:
    return msgspec.structs.replace(health, version=0)


def test_of_an_endpoint_that_was_never_sick_nothing_is_kept(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        assert await kept(world, endpoint) == Health()
        record = await world.store.read(LoadEndpoint(id=endpoint.id))
        assert record is not None
        assert (record.health, record.application_rate) == (Health(), None)

    check(stores, story)


def test_health_comes_back_as_it_was_kept_and_with_the_endpoint(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        answer = await save(world, endpoint, SICK)
        assert unversioned(answer) == SICK
        assert answer.version > 0
        assert await kept(world, endpoint) == answer
        record = await world.store.read(LoadEndpoint(id=endpoint.id))
        assert record is not None
        assert record.health == answer

    check(stores, story)


def test_an_endpoint_is_loaded_with_the_rate_of_its_application(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        application = await world.application(throttle_rate=65_535)
        endpoint = await world.endpoint(application=application.id)
        record = await world.store.read(LoadEndpoint(id=endpoint.id))
        assert record is not None
        assert (record.application_rate, record.endpoint.throttle_rate) == (65_535, None)

    check(stores, story)


def test_of_two_who_knew_the_same_only_the_first_keeps_and_the_second_is_told(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        first = await save(world, endpoint, SICK)
        other = msgspec.structs.replace(SICK, failures=99)
        assert await save(world, endpoint, other) == first
        second = await save(world, endpoint, msgspec.structs.replace(other, version=first.version))
        assert second.failures == 99
        assert second.version > first.version
        assert await save(world, endpoint, msgspec.structs.replace(SICK, version=first.version)) == second
        assert await kept(world, endpoint) == second

    check(stores, story)


@pytest.mark.parametrize("before", [Health(), SICK], ids=["well", "sick"])
def test_of_many_at_once_exactly_one_keeps_its_own(stores: OpenStore, before: Health) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        known = await save(world, endpoint, before)
        wanted = [msgspec.structs.replace(SICK, version=known.version, failures=1000 + number) for number in range(8)]
        answers = await asyncio.gather(*(save(world, endpoint, one) for one in wanted))
        (won,) = {answer.failures for answer in answers}
        assert won >= 1000
        assert (await kept(world, endpoint)).failures == won

    check(stores, story)


def test_a_plain_one_is_removed_and_who_knew_the_row_before_keeps_nothing(stores: OpenStore, tables: ReadTables) -> None:
    idents: list[str] = []

    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        idents.extend([endpoint.id, other.id])
        sick = await save(world, endpoint, SICK)
        assert await save(world, endpoint, Health(version=sick.version)) == Health()
        assert await kept(world, endpoint) == Health()
        assert await save(world, endpoint, msgspec.structs.replace(SICK, version=sick.version)) == Health()
        world.now += 1
        again = await save(world, other, SICK)
        assert (await save(world, other, Health(version=again.version))) == Health()
        world.now += 1
        assert (await save(world, other, SICK)).version > again.version

    check(stores, story)
    rows = tables()
    assert [row["endpoint"] for row in rows["endpoint_health"]] == idents[1:]


@pytest.mark.parametrize("before", [Health(), SICK], ids=["well", "sick"])
def test_for_an_endpoint_that_is_gone_nothing_is_kept(stores: OpenStore, tables: ReadTables, before: Health) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        known = await save(world, endpoint, before)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=NOW))
        for version in (known.version, known.version + 1):
            assert await save(world, endpoint, msgspec.structs.replace(SICK, version=version, failures=77)) == Health()
        elsewhere = await world.endpoint()
        assert await save(world, elsewhere, SICK, application="app_other") == Health()
        assert await kept(world, elsewhere) == Health()

    check(stores, story)
    assert not [row for row in tables()["endpoint_health"] if row["failures"] == 77]


@pytest.mark.parametrize("health", [SICK, Health()], ids=["sick", "plain"])
def test_an_endpoint_is_disabled_together_with_what_is_kept_of_it(stores: OpenStore, health: Health) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        world.now += 5
        assert unversioned(await save(world, endpoint, health, disable="failing")) == health
        found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
        assert found == msgspec.structs.replace(endpoint, disabled_reason="failing", updated_at=NOW + 5)

    check(stores, story)


def test_an_endpoint_that_is_disabled_stays_so_for_its_first_reason(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint(disabled_reason="manual")
        world.now += 5
        await save(world, endpoint, SICK, disable="failing")
        assert await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id)) == endpoint

    check(stores, story)


def test_who_knows_something_older_disables_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await save(world, endpoint, SICK)
        await save(world, endpoint, SICK, disable="failing")
        assert await disabled_reason(world, endpoint) is None

    check(stores, story)


@pytest.mark.parametrize(
    ("reason", "phase"), [("manual", Phase.CLOSED), ("exhausted", Phase.CLOSED), ("failing", Phase.OPEN), ("gone", Phase.OPEN)]
)
@pytest.mark.parametrize("before", [Health(), SICK], ids=["well", "sick"])
def test_an_endpoint_that_is_enabled_begins_to_recover_and_a_sick_one_is_asked_first(
    stores: OpenStore, reason: DisabledReason, phase: Phase, before: Health
) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint(disabled_reason=reason)
        known = await save(world, endpoint, before)
        at = NOW + HOUR
        enabled = msgspec.structs.replace(endpoint, disabled_reason=None, updated_at=at)
        await world.store.write(UpdateEndpoint(endpoint=enabled, expected=endpoint))
        found = await kept(world, endpoint)
        assert found.version > known.version
        assert (found.phase, found.until, found.prober, found.not_before) == (phase, at, 0, 0)
        assert (found.ramp_from, found.trips) == ((at, 0) if phase is Phase.CLOSED else (0, 1))
        assert (found.failing_since, found.failures, found.warned) == (None, 0, 0)
        assert await save(world, endpoint, msgspec.structs.replace(SICK, version=known.version)) == found

    check(stores, story)


def test_a_change_that_enables_nothing_leaves_health_as_it_is(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        enabled, disabled = await world.endpoint(), await world.endpoint(disabled_reason="manual")
        for endpoint in (enabled, disabled):
            sick = await save(world, endpoint, SICK)
            await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, description="new", updated_at=NOW + 1)))
            assert await kept(world, endpoint) == sick
        sick = await kept(world, enabled)
        await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(enabled, disabled_reason="manual", updated_at=NOW + 2)))
        assert await kept(world, enabled) == sick

    check(stores, story)


@pytest.mark.parametrize("phase", [Phase.HALF_OPEN, Phase.CLOSED])
def test_with_another_url_health_begins_anew_and_a_sick_one_is_asked_first(stores: OpenStore, phase: Phase) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        known = await save(world, endpoint, msgspec.structs.replace(SICK, phase=phase))
        for one in (endpoint, other):
            moved = msgspec.structs.replace(one, url="https://elsewhere.example/", updated_at=NOW + 9)
            await world.store.write(UpdateEndpoint(endpoint=moved, expected=one))
        assert await kept(world, other) == Health()
        found = await kept(world, endpoint)
        assert found.version > known.version
        assert (found.until, found.not_before, found.failing_since, found.failures) == (NOW + 9, 0, None, 0)
        assert (found.phase, found.ramp_from) == ((Phase.CLOSED, NOW + 9) if phase is Phase.CLOSED else (Phase.OPEN, 0))

    check(stores, story)


def test_health_outlives_the_process(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            sick = await save(world, endpoint, SICK)
        async with stores() as store:
            assert await store.read(FindHealth(endpoint=endpoint.id)) == sick

    asyncio.run(story())


def test_of_a_deleted_endpoint_no_health_is_left_in_the_end(stores: OpenStore, tables: ReadTables) -> None:
    idents: list[str] = []

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        idents.append(endpoint.id)
        await save(world, endpoint, SICK)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=NOW))
        while await world.store.write(CancelDeliveries(now=NOW + HOUR, limit=100)):
            pass
        while await world.store.write(Erase(now=NOW + HOUR, before=NOW, old=NOW + 2 * HOUR, limit=100)):
            pass

    check(stores, story)
    assert naming(tables(), *idents) == {}
