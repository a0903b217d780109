"""Dead letters: what was given up and nothing since made good, and nothing else."""

from typing import Any

import pytest

from hookwright.domain.deliveries import State
from hookwright.domain.pages import PageRequest
from hookwright.store.dead_letters import DeadLetter, ListDeadLetters
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.stores.sql import keysets

from .conftest import OpenStore
from .makers import World, check
from .tasks import ended, failed


async def dead(world: World, **asked: Any) -> list[DeadLetter]:
    """All pages of it."""
    letters: list[DeadLetter] = []
    page = PageRequest(limit=asked.pop("limit", 50))
    while True:
        found = await world.store.read(ListDeadLetters(application=world.app, page=page, **asked))
        letters += found.data
        if found.done:
            return letters
        page = PageRequest(limit=page.limit, cursor=found.last)


async def pairs(world: World, **asked: Any) -> list[tuple[str, str]]:
    return [(letter.message.id, letter.endpoint) for letter in await dead(world, **asked)]


def test_what_was_given_up_is_listed_newest_first_with_how_it_ended(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        older, newer = await ended(world, endpoint, State.FAIL, State.FAIL, response_status=503)
        await ended(world, endpoint, State.SUCCESS, State.CANCELED)
        await world.message(endpoint)
        letters = await dead(world)
        assert [letter.message for letter in letters] == [newer, older]
        assert [(one.endpoint, one.attempts, one.last_status) for one in letters] == [(endpoint.id, 1, 503)] * 2

    check(stores, story)


def test_what_was_made_good_or_is_on_its_way_again_is_not_dead(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        mended, live, again = await failed(world, endpoint, 3)
        for message, state in ((mended, State.SUCCESS), (again, State.FAIL)):
            await world.resend(message, endpoint)
            await world.attempt(message, endpoint, state, response_status=404)
        await world.resend(live, endpoint)
        assert [(letter.message.id, letter.last_status) for letter in await dead(world)] == [(again.id, 404)]

    check(stores, story)


def test_a_round_that_was_canceled_later_leaves_it_dead(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await world.resend(message, endpoint)
        await world.attempt(message, endpoint, State.CANCELED, response_status=404)
        assert [(letter.message.id, letter.last_status) for letter in await dead(world)] == [(message.id, 500)]

    check(stores, story)


def test_a_message_is_dead_at_each_endpoint_by_itself(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        first, second, third = [await world.endpoint() for _ in range(3)]
        message = await world.message(first, second, third)
        for endpoint, state in ((first, State.FAIL), (second, State.SUCCESS), (third, State.FAIL)):
            await world.attempt(message, endpoint, state)
        assert await pairs(world) == [(message.id, third.id), (message.id, first.id)]
        assert await pairs(world, endpoint=first.id) == [(message.id, first.id)]
        await world.store.write(DeleteEndpoint(application=world.app, ref=first.id, now=world.now))
        assert await pairs(world, endpoint=first.id) == [(message.id, first.id)]

    check(stores, story)


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 4, 500])
def test_pages_have_each_once_whatever_their_size_and_however_little_is_looked_at(
    stores: OpenStore, monkeypatch: pytest.MonkeyPatch, limit: int, rows: int
) -> None:
    monkeypatch.setattr(keysets, "LEAST_BUDGET", 4 * rows)
    monkeypatch.setattr(keysets, "ROWS_PER_ITEM", 0)

    async def story(world: World) -> None:
        endpoints = [await world.endpoint() for _ in range(2)]
        wanted = []
        for number in range(3):
            message = await world.message(*endpoints)
            for endpoint in endpoints:
                await world.attempt(message, endpoint, State.FAIL)
                if number == 1:
                    await world.resend(message, endpoint)
                    await world.attempt(message, endpoint, State.FAIL)
                wanted.append((message.id, endpoint.id))
        (mended,) = await failed(world, endpoints[0])
        await world.resend(mended, endpoints[0])
        await world.attempt(mended, endpoints[0], State.SUCCESS)
        assert await pairs(world, limit=limit) == wanted[::-1]

    check(stores, story)


def test_times_and_applications_bound_the_list(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        elsewhere = await world.application()
        endpoint, foreign = await world.endpoint(), await world.endpoint(application=elsewhere.id)
        first, second, third = await failed(world, endpoint, 3)
        other = await world.message(foreign, application=elsewhere.id)
        await world.attempt(other, foreign, State.FAIL)
        assert await pairs(world, after=second.created_at) == [(third.id, endpoint.id), (second.id, endpoint.id)]
        assert await pairs(world, before=second.created_at) == [(first.id, endpoint.id)]
        assert await pairs(world, after=second.created_at, before=third.created_at, limit=1) == [(second.id, endpoint.id)]

    check(stores, story)
