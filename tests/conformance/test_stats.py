import pytest

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.store.deliveries import EndpointStats, Stats
from hookwright.store.messages import ExpungeContent

from .conftest import OpenStore
from .deliveries import claim, settle, settlement
from .makers import HOUR, NOW, OWNER, World, check


async def stats(world: World, endpoint: Endpoint, since: int, until: int) -> Stats:
    return await world.store.read(EndpointStats(application=world.app, endpoint=endpoint.id, since=since, until=until))


def test_an_endpoint_without_messages_has_only_zeros(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        assert await stats(world, await world.endpoint(), 0, NOW + HOUR) == Stats()

    check(stores, story)


def test_each_message_counts_once_by_its_headline(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        for state in (State.SUCCESS, State.SUCCESS, State.FAIL):
            await world.attempt(await world.message(endpoint), endpoint, state)
        canceled = await world.message(endpoint)
        await world.store.write(ExpungeContent(application=world.app, message=canceled.id, now=NOW))
        await world.message(endpoint)
        await world.message(endpoint, owner=OWNER)
        wanted = Stats(success=2, fail=1, canceled=1, pending=1, sending=1)
        assert await stats(world, endpoint, NOW, NOW + HOUR) == wanted
        assert await stats(world, endpoint, NOW - 1, NOW + HOUR + 1) == wanted
        assert await stats(world, endpoint, NOW, NOW + 1000) == wanted

    check(stores, story)


def test_a_message_that_is_sent_again_moves_from_fail_to_under_way_to_success(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.FAIL)
        await world.resend(message, endpoint)
        for until in (NOW + HOUR, NOW + 1000):
            assert await stats(world, endpoint, NOW, until) == Stats(pending=1)
        await world.attempt(message, endpoint, State.SUCCESS)
        await world.resend(message, endpoint)
        for until in (NOW + HOUR, NOW + 1000):
            assert await stats(world, endpoint, NOW, until) == Stats(success=1)

    check(stores, story)


@pytest.mark.parametrize("states", [(State.SUCCESS, State.SUCCESS), (State.FAIL, State.SUCCESS), (State.SUCCESS, State.FAIL)])
def test_rounds_of_one_message_that_are_settled_together_count_once(stores: OpenStore, states: tuple[State, State]) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.resend(message, endpoint)
        rows = (await claim(world, endpoint)).claimed
        ends = [settlement(world, row.delivery, state) for row, state in zip(rows, states, strict=True)]
        assert await settle(world, *ends) == [True, True]
        assert await stats(world, endpoint, NOW, NOW + HOUR) == Stats(success=1)

    check(stores, story)


def test_ragged_bounds_count_what_lies_between_them_and_nothing_else(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        hour = NOW + HOUR
        for at in (hour - 4, hour, hour + HOUR // 2, hour + HOUR, hour + 2 * HOUR, hour + 2 * HOUR + 4):
            world.now = at
            await world.attempt(await world.message(endpoint), endpoint, State.SUCCESS)
        assert (await stats(world, endpoint, hour, hour + 2 * HOUR)).success == 3
        assert (await stats(world, endpoint, hour, hour + 2 * HOUR + 1)).success == 4
        assert (await stats(world, endpoint, hour - 4, hour + 2 * HOUR + 8)).success == 6
        assert (await stats(world, endpoint, hour + 4, hour + HOUR)).success == 1
        assert (await stats(world, endpoint, hour + 4, hour + HOUR // 2)).success == 0

    check(stores, story)


def test_another_endpoints_messages_do_not_count(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        left, right = await world.endpoint(), await world.endpoint()
        message = await world.message(left, right)
        await world.attempt(message, left, State.SUCCESS)
        assert await stats(world, right, NOW, NOW + HOUR) == Stats(pending=1)

    check(stores, story)
