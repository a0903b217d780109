"""Reading messages in their order, and consumers' marks; and that nothing is ever sent to a polling endpoint."""

import asyncio
from typing import Any

import pytest

from hookwright.domain.endpoints import Endpoint, Options
from hookwright.engine import pollers
from hookwright.engine.pollers import Wanted, beginning, consume, position_at, read, seek
from hookwright.errors import BadRequest, Conflict, NotFound
from hookwright.store.endpoints import DeleteEndpoint, FindEndpoint, LoadApplication
from hookwright.store.messages import ExpungeContent
from hookwright.store.pollers import FindConsumer, FindHorizon, MarkConsumer
from hookwright.stores.sql import keysets

from .conftest import OpenStore
from .makers import NOW, ORG, World, check


async def poller(world: World, *, filter: dict[str, Any] | None = None, **fields: Any) -> Endpoint:
    return await world.endpoint(kind="poller", url="", options=Options(filter=filter), **fields)


async def everything(world: World, endpoint: Endpoint, **wanted: Any) -> tuple[list[str], int]:
    """What is read, page by page, until nothing is left; and how many pages that were."""
    found: list[str] = []
    position, pages = beginning(endpoint), 0
    while True:
        polled = await read(world.store, endpoint, Wanted(position=position, limit=2, **wanted))
        assert len(polled.data) <= 2
        assert polled.position >= position
        found += [one.message.id for one in polled.data]
        position, pages = polled.position, pages + 1
        if polled.done:
            return found, pages


def test_messages_are_read_in_their_order_each_once(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await world.message()
        world.now += 1000
        endpoint = await poller(world)
        made = [(await world.message()).id for _ in range(5)]
        other = await world.application()
        await world.message(application=other.id)
        assert (await everything(world, endpoint))[0] == made, "not what was there before the endpoint"

    check(stores, story)


def test_a_page_says_where_to_go_on_when_it_is_empty_too(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await poller(world)
        empty = await read(world.store, endpoint, Wanted(position=beginning(endpoint), limit=2))
        assert (empty.data, empty.done) == ([], True)
        made = await world.message()
        polled = await read(world.store, endpoint, Wanted(position=empty.position, limit=2))
        assert [one.message.id for one in polled.data] == [made.id]
        again = await read(world.store, endpoint, Wanted(position=polled.position, limit=2))
        assert (again.data, again.position, again.done) == ([], polled.position, True)

    check(stores, story)


def test_only_what_the_endpoint_and_the_caller_want_is_read(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        chosen = await poller(world, event_types=frozenset({"a", "b"}), channels=frozenset({"eu", "us"}), filter={"n": {"$gte": 2}})
        every = await poller(world)
        one = await world.message(event_type="a", channels=("eu",), body=b'{"n":2}')
        two = await world.message(event_type="b", channels=("x", "us"), body=b'{"n":3}')
        for wrong in ({"event_type": "c"}, {"channels": ("x",)}, {"channels": None}, {"body": b'{"n":1}'}, {"body": b"n=2"}):
            await world.message(**{"event_type": "a", "channels": ("eu",), "body": b'{"n":2}'} | wrong)
        assert (await everything(world, chosen))[0] == [one.id, two.id]
        assert (await everything(world, chosen, event_type="b"))[0] == [two.id]
        assert (await everything(world, chosen, event_type="c"))[0] == []
        assert (await everything(world, every, channel="us"))[0] == [two.id]
        assert len((await everything(world, every))[0]) == 7

    check(stores, story)


def test_a_poll_is_bounded_when_nothing_is_wanted_and_goes_on(stores: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysets, "LEAST_BUDGET", 3)
    monkeypatch.setattr(keysets, "ROWS_PER_ITEM", 1)
    monkeypatch.setattr(pollers, "MAX_LIMIT", 4)

    async def story(world: World) -> None:
        typed, filtered = await poller(world, event_types=frozenset({"rare"})), await poller(world, filter={"n": 1})
        for _ in range(30):
            await world.message()
        rare = (await world.message(event_type="rare", body=b'{"n":1}')).id
        for endpoint in (typed, filtered):
            found, pages = await everything(world, endpoint)
            assert found == [rare]
            assert pages >= 5

    check(stores, story)


def test_a_poll_ends_when_its_filter_looked_at_much_and_goes_on(stores: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pollers, "MOST_LOOKS", 25)

    async def story(world: World) -> None:
        endpoint = await poller(world, filter={"n": [1]})
        for _ in range(8):
            await world.message(body=b'{"n":[0]}')
        rare = (await world.message(body=b'{"n":[1]}')).id
        found, pages = await everything(world, endpoint)
        assert found == [rare]
        assert pages >= 4, "17 looks a message"

    check(stores, story)


def test_a_page_has_no_more_than_asked_for_and_the_next_begins_behind_it(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await poller(world, filter={"n": 1})
        made = [(await world.message(body=b'{"n":%d}' % (n % 2))).id for n in range(12)]
        assert await everything(world, endpoint) == (made[1::2], 3)

    check(stores, story)


def test_what_lost_its_content_is_read_but_passes_no_filter(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        every, filtered = await poller(world), await poller(world, filter={"n": 1})
        message = await world.message(body=b'{"n":1}')
        assert (await everything(world, filtered))[0] == [message.id]
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        assert (await everything(world, every))[0] == [message.id]
        assert (await everything(world, filtered))[0] == []

    check(stores, story)


def test_nothing_is_sent_to_a_poller_and_its_kind_and_filter_are_kept(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        filter = {"a": {"$in": [1, "é", None, 1.5, True, 2**64 - 1]}, "$not": {"b": [{"c": -(2**63)}]}}
        polled, sent = await poller(world, filter=filter), await world.endpoint()
        assert await world.store.read(FindEndpoint(application=world.app, ref=polled.id)) == polled
        loaded = await world.store.read(LoadApplication(organization=ORG, ref=world.app))
        assert loaded is not None
        assert (loaded.endpoints, loaded.filtered) == ((sent,), False)
        filtered = await world.endpoint(options=Options(filter=filter))
        loaded = await world.store.read(LoadApplication(organization=ORG, ref=world.app))
        assert loaded is not None
        assert (loaded.endpoints, loaded.filtered) == ((sent, filtered), True)

    check(stores, story)


def mark(world: World, endpoint: Endpoint, position: str, *, consumer: str = "c", most: int = 3, back: bool = False) -> MarkConsumer:
    return MarkConsumer(
        application=world.app, endpoint=endpoint.id, consumer=consumer, mark=position, now=world.now, most=most, back=back
    )  # fmt: skip


def test_a_mark_goes_forward_and_back_only_when_asked(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await poller(world)
        find = FindConsumer(endpoint=endpoint.id, consumer="c")
        assert await world.store.read(find) is None
        first, second = position_at(NOW), position_at(NOW + 4)
        assert await world.store.write(mark(world, endpoint, second)) == second
        assert await world.store.write(mark(world, endpoint, second)) == second
        with pytest.raises(Conflict) as refused:
            await world.store.write(mark(world, endpoint, first))
        assert refused.value.code == "consumer_ahead"
        assert await world.store.read(find) == second
        assert await world.store.write(mark(world, endpoint, first, back=True)) == first
        assert await world.store.read(find) == first
        assert await world.store.read(FindConsumer(endpoint=endpoint.id, consumer="d")) is None

    check(stores, story)


def test_an_endpoint_has_so_many_consumers_and_no_more(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await poller(world), await poller(world)
        for consumer in "abc":
            await world.store.write(mark(world, endpoint, position_at(NOW), consumer=consumer))
        with pytest.raises(BadRequest) as refused:
            await world.store.write(mark(world, endpoint, position_at(NOW), consumer="d"))
        assert refused.value.code == "limit_reached"
        await world.store.write(mark(world, endpoint, position_at(NOW + 4), consumer="a"))
        await world.store.write(mark(world, other, position_at(NOW), consumer="d"))

    check(stores, story)


def test_a_deleted_endpoint_takes_no_marks(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await poller(world)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        with pytest.raises(NotFound):
            await world.store.write(mark(world, endpoint, position_at(NOW)))

    check(stores, story)


def test_an_answer_that_was_lost_is_given_again_and_acknowledged_by_the_next_poll(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await poller(world)
        made = [(await world.message()).id for _ in range(4)]

        async def poll(acknowledged: str | None = None) -> tuple[list[str], str]:
            polled = await consume(world.store, world.now, endpoint, "c", acknowledged, 2)
            return [one.message.id for one in polled.data], polled.position

        first, end = await poll()
        assert first == made[:2]
        assert (await poll())[0] == made[:2], "not acknowledged"
        assert (await poll(end))[0] == made[2:]
        assert (await poll(end))[0] == made[2:], "the same poll again is answered again"
        assert (await poll())[0] == made[2:], "the mark is kept"
        assert await seek(world.store, world.now, endpoint, "c", NOW) == position_at(NOW)
        assert (await poll())[0] == made[:2]

    check(stores, story)


def test_messages_that_are_made_while_they_are_read_are_all_read(stores: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed in groups, and the horizon as near as it may be."""
    monkeypatch.setattr(pollers, "SETTLING_MS", 0)

    async def story(world: World) -> None:
        endpoint = await poller(world)
        found: list[str] = []
        position = beginning(endpoint)
        writing = asyncio.gather(*(world.message() for _ in range(100)))
        over = False
        while not over:
            over = writing.done()
            polled = await read(world.store, endpoint, Wanted(position=position, limit=10))
            found, position = found + [one.message.id for one in polled.data], polled.position
            over = over and polled.done
        assert found == [message.id for message in await writing]

    check(stores, story)


def test_there_is_a_horizon_or_it_is_not_needed(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        near, far = [await world.store.read(FindHorizon(settling_ms=ms)) for ms in (0, 10_000_000)]
        assert (near is None) == (far is None)
        assert near is None or far is None or 9_000_000 < near - far <= 10_000_000

    check(stores, story)
