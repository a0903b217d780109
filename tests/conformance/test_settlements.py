"""Deliveries are settled only past their fence, and end only with a record (P2, P4)."""

import asyncio

import msgspec
import pytest

from hookwright.domain.deliveries import Fence, Key, State
from hookwright.store.deliveries import DueEndpoints, Stats
from hookwright.store.endpoints import FindEndpoint, UpdateEndpoint
from hookwright.store.nodes import TakeOver

from .conftest import OpenStore
from .deliveries import attempts, claim, claimed, settle, settlement, state, stats
from .makers import OWNER, World, check


def test_a_success_ends_the_row_with_its_attempt_and_survives_reopening(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            message = await world.message(endpoint)
            made = settlement(world, await claimed(world, endpoint), State.SUCCESS)
            assert await settle(world, made) == [True]
        async with stores() as store:
            world.store = store
            assert await world.under_way() == 0
            assert await attempts(world, message) == [made.attempt]
            assert await state(world, message) is State.SUCCESS

    asyncio.run(story())


def test_a_retry_keeps_the_row_unowned_with_one_more_attempt(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        assert await settle(world, settlement(world, delivery, State.PENDING, due_at=world.now + 5000)) == [True]
        world.now += 5000
        again = await claimed(world, endpoint)
        assert (again.attempts, again.key, again.due_at) == (1, Key(endpoint.id, message.id), world.now)

    check(stores, story)


@pytest.mark.parametrize("state_", [State.SUCCESS, State.FAIL, State.PENDING])
@pytest.mark.parametrize("fence", [Fence(OWNER + 1, 0), Fence(OWNER, 1), Fence(0, 0)])
def test_a_settlement_whose_fence_does_not_match_changes_nothing_and_leaves_no_attempt(
    stores: OpenStore, state_: State, fence: Fence
) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        foreign = settlement(world, delivery, state_, fence=fence, due_at=world.now + 1, disable="gone")
        assert await settle(world, foreign) == [False]
        assert await attempts(world, message) == []
        assert await stats(world, endpoint) == Stats(sending=1)
        assert await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id)) == endpoint
        assert await settle(world, settlement(world, delivery, State.SUCCESS)) == [True]

    check(stores, story)


def test_settling_twice_counts_once(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        once, twice = (settlement(world, delivery, State.SUCCESS) for _ in range(2))
        assert await settle(world, once, twice) == [True, False]
        assert await settle(world, once) == [False]
        assert await attempts(world, message) == [once.attempt]
        assert await stats(world, endpoint) == Stats(success=1)

    check(stores, story)


def test_a_settlement_after_a_take_over_changes_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        before = await claimed(world, endpoint)
        await world.store.write(TakeOver(owner=OWNER + 1))
        assert await settle(world, settlement(world, before, State.SUCCESS)) == [False]
        assert await state(world, message) is State.PENDING

    check(stores, story)


def test_one_settlement_that_does_not_match_leaves_the_others_of_its_command_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        await world.message(endpoint)
        one, two = (each.delivery for each in (await claim(world, endpoint)).claimed)
        wrong = settlement(world, one, State.SUCCESS, fence=Fence(OWNER, 9))
        assert await settle(world, wrong, settlement(world, two, State.SUCCESS)) == [False, True]

    check(stores, story)


def test_a_410_disables_the_endpoint_in_the_same_settlement(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        gone = settlement(world, await claimed(world, endpoint), State.PENDING, due_at=world.now + 5000, disable="gone")
        assert await settle(world, gone) == [True]
        found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
        assert found is not None
        assert found.disabled_reason == "gone"
        assert (await world.store.read(DueEndpoints())).due == ()

    check(stores, story)


def test_a_410_does_not_replace_the_reason_of_a_person(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, disabled_reason="manual")))
        await settle(world, settlement(world, delivery, State.FAIL, disable="gone"))
        found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
        assert found is not None
        assert found.disabled_reason == "manual"

    check(stores, story)


def test_a_410_of_an_address_that_was_replaced_meanwhile_disables_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        moved = msgspec.structs.replace(endpoint, url="https://example.com/new")
        await world.store.write(UpdateEndpoint(endpoint=moved))
        assert await settle(world, settlement(world, delivery, State.FAIL, disable="gone")) == [True]
        assert await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id)) == moved

    check(stores, story)


def test_what_was_sent_elsewhere_disables_the_endpoint_only_as_long_as_that_has_its_own_url(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for moved, reason in ((False, "exhausted"), (True, None)):
            endpoint = await world.endpoint()
            await world.message(endpoint)
            delivery = await claimed(world, endpoint)
            if moved:
                await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, url="https://example.com/new")))
            stuck = settlement(world, delivery, State.PENDING, due_at=world.now, disable="exhausted", own_url=endpoint.url)
            assert stuck.attempt is not None
            away = msgspec.structs.replace(stuck, attempt=msgspec.structs.replace(stuck.attempt, url="https://elsewhere.example/"))
            assert await settle(world, away) == [True]
            found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
            assert found is not None
            assert found.disabled_reason == reason

    check(stores, story)
