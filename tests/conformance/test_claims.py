"""Who owns a live delivery: claimed once, taken over, given back (P3)."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from hookwright.domain.deliveries import Fence, State
from hookwright.store.deliveries import ClaimedRows, DueEndpoint, DueEndpoints, DuePage, Release
from hookwright.store.endpoints import UpdateEndpoint
from hookwright.store.nodes import CloseNode, OpenNode, RenewLease, TakeOver
from hookwright.store.wakeups import Wake

from .conftest import OpenStore
from .deliveries import attempts, claim, claimed, settle, settlement, state
from .makers import NOW, OWNER, World, check


def test_epochs_grow_across_reopening(stores: OpenStore) -> None:
    async def story() -> list[int]:
        epochs = []
        for _ in range(3):
            async with stores() as store:
                epochs += [await store.write(OpenNode(now=NOW)), await store.write(OpenNode(now=NOW))]
        return epochs

    epochs = asyncio.run(story())
    assert epochs == sorted(set(epochs))
    assert min(epochs) > 0


def test_a_new_node_takes_over_what_another_held_and_keeps_its_own(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint, owner=1)
        await world.message(endpoint, owner=2)
        await world.message(endpoint, owner=3)
        assert await world.store.write(TakeOver(owner=3)) == 2
        assert len((await claim(world, endpoint, owner=3)).claimed) == 2

    check(stores, story)


def test_what_was_owned_when_the_process_ended_is_taken_over_by_the_next(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await world.message(endpoint, owner=await store.write(OpenNode(now=NOW)))
        async with stores() as store:
            assert await store.read(DueEndpoints()) == DuePage((), None)
            assert await store.write(TakeOver(owner=await store.write(OpenNode(now=NOW)))) == 1
            assert [due.endpoint for due in (await store.read(DueEndpoints())).due] == [endpoint.id]

    asyncio.run(story())


def test_others_can_be_told_of_endpoints_and_nobody_hears_himself(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for endpoints in ((), ("ep_1",), tuple(f"ep_{n:027}" for n in range(400))):
            await world.store.write(Wake(endpoints=endpoints))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                while (await world.store.heard()).anywhere:  # which is all that can be said behind a pooler
                    pass

    check(stores, story)


def test_a_lease_is_renewed_until_another_node_ends_it(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        ended, other = await world.store.write(OpenNode(now=NOW)), await world.store.write(OpenNode(now=NOW))
        assert await world.store.write(RenewLease(owner=ended, within=5))
        await world.store.write(TakeOver(owner=other))
        assert not await world.store.write(RenewLease(owner=ended, within=5))
        assert await world.store.write(RenewLease(owner=other, within=5))
        await world.store.write(CloseNode(owner=other))
        assert not await world.store.write(RenewLease(owner=other, within=5))

    check(stores, story)


def test_due_rows_are_claimed_earliest_first_and_up_to_the_limit(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        messages = []
        for _ in range(3):
            messages.append(await world.message(endpoint))
            world.now += 1000
        rows = await claim(world, endpoint, limit=2)
        assert [one.message for one in rows.claimed] == messages[:2]
        assert [one.delivery.owner for one in rows.claimed] == [OWNER, OWNER]
        assert rows.next_due_at == messages[2].created_at
        assert [one.message for one in (await claim(world, endpoint)).claimed] == messages[2:]

    check(stores, story)


def test_a_row_that_is_not_due_yet_is_not_claimed_and_its_time_is_told(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.PENDING, due_at=world.now + 5000)
        world.now += 4999
        assert await claim(world, endpoint) == ClaimedRows((), NOW + 5000)
        world.now += 1
        assert len((await claim(world, endpoint)).claimed) == 1

    check(stores, story)


@pytest.mark.parametrize(("most_bytes", "expected"), [(1, 1), (10, 1), (20, 2), (25, 2), (30, 3)])
def test_bodies_bound_a_claim_but_one_row_always_comes(stores: OpenStore, most_bytes: int, expected: int) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        for _ in range(3):
            await world.message(endpoint, body=b"0123456789")
        rows = await claim(world, endpoint, most_bytes=most_bytes)
        assert len(rows.claimed) == expected
        assert (rows.next_due_at is None) == (expected == 3)

    check(stores, story)


def test_a_claimed_row_whose_content_is_gone_comes_without_it(stores: OpenStore, lose_contents: Callable[[], None]) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        lose_contents()
        (one,) = (await claim(world, endpoint)).claimed
        assert one.content is None
        ended = settlement(world, one.delivery, State.CANCELED, attempt=None)
        assert await settle(world, ended) == [True]
        assert (await state(world, message), await attempts(world, message)) == (State.CANCELED, [])

    check(stores, story)


def test_endpoints_with_unowned_rows_are_told_with_their_earliest_time_unless_disabled(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, two, disabled, owned, _without_rows = [await world.endpoint() for _ in range(5)]
        message = await world.message(one, two, disabled)
        world.now += 1000
        await world.message(one)
        await world.message(owned, owner=OWNER)
        await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(disabled, disabled_reason="manual")))
        due = [DueEndpoint(one.id, message.created_at), DueEndpoint(two.id, message.created_at)]
        assert await world.store.read(DueEndpoints()) == DuePage(tuple(due), None)
        assert await world.store.read(DueEndpoints(limit=1)) == DuePage(tuple(due[:1]), one.id)
        assert await world.store.read(DueEndpoints(after=one.id, limit=2)) == DuePage(tuple(due[1:]), disabled.id)
        assert await world.store.read(DueEndpoints(after=disabled.id)) == DuePage((), None)

    check(stores, story)


def test_released_rows_are_claimable_and_no_attempt_older(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        await world.store.write(Release(rows=((delivery.key, Fence(OWNER + 1, 0), 0), (delivery.key, Fence(OWNER, 1), 0))))
        assert (await claim(world, endpoint)).claimed == ()
        await world.store.write(Release(rows=((delivery.key, delivery.fence, 0),)))
        assert await claimed(world, endpoint) == delivery

    check(stores, story)
