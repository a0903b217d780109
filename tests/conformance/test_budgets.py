"""A filter looks at so many rows and no more; whoever carries on from there finds everything, once, in either direction."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from hookwright.domain.deliveries import State
from hookwright.domain.pages import Page, PageRequest
from hookwright.store.attempts import ListAttempts
from hookwright.store.endpoints import FindEndpoint
from hookwright.store.messages import FindMessage, ListEndpointMessages, ListMessages, MessageFilter
from hookwright.stores.sql import keysets, statuses

from .conftest import OpenStore
from .makers import World, check

COUNT = 12
RARE = MessageFilter(event_types=frozenset({"rare"}))
Read = Callable[[PageRequest], Awaitable[tuple[list[str], Page[None]]]]


@pytest.fixture(autouse=True)
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysets, "LEAST_BUDGET", 3)
    monkeypatch.setattr(keysets, "ROWS_PER_ITEM", 1)
    monkeypatch.setattr(statuses, "LOOK_UP", 1)


async def everything(read: Read) -> tuple[list[str], int]:
    """What all pages together show, and how many of them were empty though more followed."""
    shown: list[str] = []
    empty, request = 0, PageRequest(limit=2)
    while True:
        ids, page = await read(request)
        shown += ids
        empty += not ids and not page.done
        if page.done:
            return shown, empty
        assert page.last is not None
        assert request.cursor is None or page.last < request.cursor
        request = msgspec.structs.replace(request, cursor=page.last)


async def backwards(read: Read, cursor: str) -> list[str]:
    """What all pages before `cursor` show, newest first."""
    shown: list[str] = []
    request = PageRequest(limit=2, cursor=cursor, backwards=True)
    while True:
        ids, page = await read(request)
        shown = ids + shown
        if page.done:
            return shown
        assert page.first is not None
        request = msgspec.structs.replace(request, cursor=page.first)


async def made(world: World) -> tuple[str, list[str], list[str]]:
    """An endpoint with many messages, of which the oldest and the newest are of a rare type, and alone failed; those; all."""
    endpoint = await world.endpoint()
    rare, every = [], []
    for number in range(COUNT):
        odd = number in (0, COUNT - 1)
        message = await world.message(endpoint, event_type="rare" if odd else "common", channels=("A", "rarely") if odd else ("a",))
        await world.attempt(message, endpoint, State.FAIL if odd else State.SUCCESS)
        every.append(message.id)
        if odd:
            rare.append(message.id)
    return endpoint.id, rare[::-1], every[::-1]


def page_of(page: Page[Any]) -> Page[None]:
    return Page([], page.done, page.first, page.last)


@pytest.mark.parametrize("wanted", [RARE, MessageFilter(channel="A"), MessageFilter(channel="rarely")])
def test_every_message_that_passes_a_filter_is_found(stores: OpenStore, wanted: MessageFilter) -> None:
    async def story(world: World) -> None:
        endpoint, rare, _ = await made(world)

        async def messages(request: PageRequest) -> tuple[list[str], Page[None]]:
            page = await world.store.read(ListMessages(application=world.app, page=request, filter=wanted))
            return [found.message.id for found in page.data], page_of(page)

        async def at_endpoint(request: PageRequest) -> tuple[list[str], Page[None]]:
            query = ListEndpointMessages(application=world.app, endpoint=endpoint, page=request, filter=wanted)
            page = await world.store.read(query)
            return [one.found.message.id for one in page.data], page_of(page)

        async def attempts(request: PageRequest) -> tuple[list[str], Page[None]]:
            page = await world.store.read(ListAttempts(application=world.app, endpoint=endpoint, page=request, filter=wanted))
            return [attempt.key.message for attempt in page.data], page_of(page)

        for read in (messages, at_endpoint, attempts):
            shown, empty = await everything(read)
            assert shown == rare
            assert empty > 0

    check(stores, story)


@pytest.mark.parametrize("state", [State.FAIL, State.SUCCESS])
def test_every_message_in_a_state_is_found_in_both_directions(stores: OpenStore, state: State) -> None:
    async def story(world: World) -> None:
        endpoint, rare, every = await made(world)
        wanted = rare if state == State.FAIL else every[1:-1]

        async def at_endpoint(request: PageRequest) -> tuple[list[str], Page[None]]:
            query = ListEndpointMessages(application=world.app, endpoint=endpoint, page=request, states=frozenset({state}))
            page = await world.store.read(query)
            return [one.found.message.id for one in page.data], page_of(page)

        async def attempts(request: PageRequest) -> tuple[list[str], Page[None]]:
            page = await world.store.read(ListAttempts(application=world.app, endpoint=endpoint, page=request, state=state))
            return [attempt.key.message for attempt in page.data], page_of(page)

        assert (await everything(at_endpoint))[0] == wanted
        assert (await everything(attempts))[0] == wanted
        assert await backwards(at_endpoint, every[-1]) == [ident for ident in wanted if ident > every[-1]]

    check(stores, story)


def test_a_message_of_many_rounds_takes_one_place_of_a_page(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, _, every = await made(world)
        for message in every[:2]:
            for _ in range(5):
                found = await world.store.read(FindMessage(application=world.app, ref=message))
                target = await world.store.read(FindEndpoint(application=world.app, ref=endpoint))
                assert found is not None
                assert target is not None
                await world.resend(found.message, target)
                await world.attempt(found.message, target, State.FAIL)

        async def at_endpoint(request: PageRequest) -> tuple[list[str], Page[None]]:
            page = await world.store.read(ListEndpointMessages(application=world.app, endpoint=endpoint, page=request))
            return [one.found.message.id for one in page.data], page_of(page)

        shown, empty = await everything(at_endpoint)
        assert (shown, empty) == (every, 0)

    check(stores, story)
