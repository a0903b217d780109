from typing import Any

import pytest

from hookwright.domain.deliveries import State
from hookwright.domain.pages import PageRequest
from hookwright.errors import NotFound
from hookwright.store.attempts import ExpungeResponse, FindAttempt, ListAttempts
from hookwright.store.messages import MessageFilter

from .conftest import OpenStore
from .makers import HOUR, NOW, World, check


async def listed(world: World, *, page: PageRequest | None = None, **wanted: Any) -> list[str]:
    found = await world.store.read(ListAttempts(application=world.app, page=page or PageRequest(), **wanted))
    return [attempt.id for attempt in found.data]


def test_an_attempt_comes_back_as_it_was_settled(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint, channels=("c",))
        made = await world.attempt(message, endpoint, State.SUCCESS, response=b"\xff\x00", truncated=True, response_status=204)
        assert await world.store.read(FindAttempt(application=world.app, message=message.id, attempt=made.id)) == made

    check(stores, story)


def test_an_attempt_is_not_found_from_another_application_or_message(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.application()
        message, second = await world.message(endpoint), await world.message()
        made = await world.attempt(message, endpoint, State.SUCCESS)
        assert await world.store.read(FindAttempt(application=other.id, message=message.id, attempt=made.id)) is None
        assert await world.store.read(FindAttempt(application=world.app, message=second.id, attempt=made.id)) is None
        found = await world.store.read(ListAttempts(application=other.id, endpoint=endpoint.id, page=PageRequest()))
        assert found.data == []

    check(stores, story)


def test_attempts_are_listed_newest_first_by_endpoint_by_message_and_by_both(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        left, right = await world.endpoint(), await world.endpoint()
        message = await world.message(left, right)
        first = await world.attempt(message, left, State.PENDING, due_at=NOW)
        second = await world.attempt(message, right, State.SUCCESS)
        third = await world.attempt(message, left, State.SUCCESS)
        assert await listed(world, message=message.id) == [third.id, second.id, first.id]
        assert await listed(world, endpoint=left.id) == [third.id, first.id]
        assert await listed(world, endpoint=right.id, message=message.id) == [second.id]

    check(stores, story)


def test_attempts_are_filtered_by_state_status_class_event_type_channel_and_time(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint, event_type="a", channels=("x",))
        silent = await world.attempt(message, endpoint, State.PENDING, due_at=NOW, response_status=0)
        broken = await world.attempt(message, endpoint, State.PENDING, due_at=NOW, response_status=503)
        world.now += HOUR
        good = await world.attempt(message, endpoint, State.SUCCESS, response_status=201)
        at = endpoint.id
        assert await listed(world, endpoint=at, state=State.FAIL) == [broken.id, silent.id]
        assert await listed(world, endpoint=at, state=State.SUCCESS) == [good.id]
        assert await listed(world, endpoint=at, status_class=0) == [silent.id]
        assert await listed(world, endpoint=at, status_class=500) == [broken.id]
        assert await listed(world, endpoint=at, filter=MessageFilter(event_types=frozenset({"b"}))) == []
        assert await listed(world, endpoint=at, filter=MessageFilter(channel="y")) == []
        assert len(await listed(world, endpoint=at, filter=MessageFilter(channel="x", event_types=frozenset({"a"})))) == 3
        assert await listed(world, endpoint=at, filter=MessageFilter(after=NOW + HOUR)) == [good.id]
        assert await listed(world, message=message.id, filter=MessageFilter(before=NOW + HOUR)) == [broken.id, silent.id]

    check(stores, story)


def test_pages_of_attempts_meet_in_both_directions(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        made = [(await world.attempt(message, endpoint, State.PENDING, due_at=NOW)).id for _ in range(5)][::-1]
        for wanted in ({"endpoint": endpoint.id}, {"message": message.id}):
            assert await listed(world, page=PageRequest(limit=2), **wanted) == made[:2]
            assert await listed(world, page=PageRequest(limit=2, cursor=made[1]), **wanted) == made[2:4]
            assert await listed(world, page=PageRequest(limit=2, cursor=made[4], backwards=True), **wanted) == made[2:4]

    check(stores, story)


def test_an_expunged_response_says_so_and_nothing_else_changes(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        made = await world.attempt(message, endpoint, State.SUCCESS, truncated=True)
        await world.store.write(ExpungeResponse(application=world.app, message=message.id, attempt=made.id))
        found = await world.store.read(FindAttempt(application=world.app, message=message.id, attempt=made.id))
        assert found is not None
        assert (found.response, found.truncated, found.response_status) == (b"EXPUNGED", False, made.response_status)

    check(stores, story)


def test_a_response_is_not_expunged_from_another_application(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.application()
        message = await world.message(endpoint)
        made = await world.attempt(message, endpoint, State.SUCCESS)
        with pytest.raises(NotFound):
            await world.store.write(ExpungeResponse(application=other.id, message=message.id, attempt=made.id))

    check(stores, story)
