"""Recover: what failed is sent again, once, in slices that a restart does not repeat."""

import asyncio

import pytest

from hookwright.domain.deliveries import Key, State, Trigger
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.errors import NotFound
from hookwright.store.attempts import ListAttempts
from hookwright.store.deliveries import ClaimDue, ContinueRecovers, OpenRecovers, StartRecover
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import ExpungeContent

from .conftest import OpenStore
from .makers import HOUR, NOW, OWNER, World, check


async def failed(world: World, endpoint: Endpoint, count: int = 1) -> list[Message]:
    """Messages whose delivery was given up, a second apart."""
    messages = []
    for _ in range(count):
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.FAIL)
        messages.append(message)
        world.now += 1000
    return messages


async def begin(world: World, endpoint: Endpoint, *, since: int = NOW, until: int = NOW + HOUR, task: str = "qtask_1") -> None:
    await world.store.write(StartRecover(task=task, application=world.app, endpoint=endpoint.id, since=since, until=until, now=world.now))


async def carry_on(world: World, limit: int = 100) -> list[str]:
    """The endpoints that have new rows."""
    return list((await world.store.write(ContinueRecovers(now=world.now, limit=limit))).endpoints)


async def finish(world: World, limit: int = 100) -> int:
    """How many slices it took."""
    slices = 0
    while await world.store.read(OpenRecovers()):
        await carry_on(world, limit)
        slices += 1
        assert slices < 50
    return slices


async def rounds(world: World, endpoint: Endpoint) -> list[list[int]]:
    """Of each message at the endpoint, as they were made: the rounds that have an attempt, and those that can be claimed."""
    tried = await world.store.read(ListAttempts(application=world.app, endpoint=endpoint.id, page=PageRequest()))
    due = await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=world.now, limit=100, most_bytes=2**20))
    keys = {attempt.key for attempt in tried.data} | {one.delivery.key for one in due.claimed}
    return [sorted(key.round for key in keys if key.message == message) for message in sorted({key.message for key in keys})]


def test_rounds_that_are_added_at_the_same_moment_are_different_ones(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        messages = await failed(world, endpoint, 10)
        for task in ("qtask_1", "qtask_2", "qtask_3"):
            await begin(world, endpoint, task=task)
        slices = [world.store.write(ContinueRecovers(now=world.now, limit=100)) for _ in range(3)]
        recovering = asyncio.gather(*slices)
        resent = await asyncio.gather(*(world.resend(message, endpoint) for message in messages))
        await recovering
        await finish(world)
        assert len({delivery.key for delivery in resent}) == len(messages)
        added = await rounds(world, endpoint)
        assert len(added) == len(messages)
        assert all(each == list(range(len(each))) and len(each) in (2, 3) for each in added)

    check(stores, story)


def test_what_failed_gets_a_round_of_its_own_with_the_whole_schedule(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await begin(world, endpoint)
        assert await carry_on(world) == [endpoint.id]
        due = await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=world.now, limit=9, most_bytes=99))
        (one,) = due.claimed
        assert (one.delivery.key, one.delivery.trigger, one.delivery.attempts) == (Key(endpoint.id, message.id, 1), Trigger.RECOVER, 0)

    check(stores, story)


def test_what_succeeded_once_in_any_round_is_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await world.resend(message, endpoint)
        await world.attempt(message, endpoint, State.SUCCESS)
        await begin(world, endpoint)
        assert await carry_on(world) == []
        assert await rounds(world, endpoint) == [[0, 1]]

    check(stores, story)


def test_what_is_on_its_way_again_is_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await world.resend(message, endpoint)
        await begin(world, endpoint)
        assert await carry_on(world) == []
        assert await rounds(world, endpoint) == [[0, 1]]

    check(stores, story)


def test_what_was_canceled_or_has_no_body_is_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        canceled = await world.message(endpoint)
        for each in (message, canceled):
            await world.store.write(ExpungeContent(application=world.app, message=each.id, now=world.now))
        await begin(world, endpoint)
        assert await carry_on(world) == []

    check(stores, story)


def test_only_messages_of_the_range_are_recovered(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        _, first, _, after = await failed(world, endpoint, 4)
        await begin(world, endpoint, since=first.created_at, until=after.created_at)
        await finish(world)
        assert await rounds(world, endpoint) == [[0], [0, 1], [0, 1], [0]]

    check(stores, story)


def test_another_endpoints_failures_are_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        await failed(world, other)
        await begin(world, endpoint)
        await finish(world)
        assert await rounds(world, other) == [[0]]

    check(stores, story)


@pytest.mark.parametrize(("limit", "slices"), [(1, 6), (2, 3), (4, 2), (5, 2), (6, 1)])
def test_slices_cover_all_of_it_once_whatever_their_size(stores: OpenStore, limit: int, slices: int) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 5)
        await begin(world, endpoint)
        assert await finish(world, limit) == slices
        assert await rounds(world, endpoint) == [[0, 1]] * 5

    check(stores, story)


def test_a_slice_of_several_recovers_is_no_larger_than_one_of_a_single_one(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoints = [await world.endpoint() for _ in range(3)]
        for number, endpoint in enumerate(endpoints):
            await failed(world, endpoint, 4)
            await begin(world, endpoint, task=f"qtask_{number}")
        await carry_on(world, limit=6)
        assert await world.under_way() == 6
        await finish(world, limit=6)
        assert await world.under_way() == 12

    check(stores, story)


def test_a_recover_goes_on_after_reopening_where_it_was_and_doubles_nothing(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await failed(world, endpoint, 5)
            await begin(world, endpoint)
            await carry_on(world, limit=2)
        async with stores() as store:
            world.store = store
            assert await store.read(OpenRecovers()) == 1
            assert await world.under_way() == 2
            await finish(world, limit=2)
            assert await rounds(world, endpoint) == [[0, 1]] * 5

    asyncio.run(story())


def test_a_slice_says_how_many_recovers_went_on(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint)
        for task in ("qtask_1", "qtask_2"):
            await begin(world, endpoint, task=task)
        tasks = [(await world.store.write(ContinueRecovers(now=world.now, limit=100))).tasks for _ in range(2)]
        assert tasks == [2, 0]

    check(stores, story)


def test_two_recovers_of_the_same_range_add_one_round(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint)
        await begin(world, endpoint, task="qtask_1")
        await begin(world, endpoint, task="qtask_2")
        await finish(world)
        assert await rounds(world, endpoint) == [[0, 1]]

    check(stores, story)


def test_what_failed_again_is_recovered_again(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        for task in ("qtask_1", "qtask_2"):
            await begin(world, endpoint, task=task)
            await finish(world)
            await world.attempt(message, endpoint, State.FAIL)
        assert await rounds(world, endpoint) == [[0, 1, 2]]

    check(stores, story)


def test_a_recover_of_what_is_not_there_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        with pytest.raises(NotFound):
            await begin(world, endpoint)

    check(stores, story)


def test_a_recover_ends_when_its_endpoint_is_deleted(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 3)
        await begin(world, endpoint)
        await carry_on(world, limit=1)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        assert await carry_on(world, limit=1) == []
        assert await world.store.read(OpenRecovers()) == 0

    check(stores, story)
