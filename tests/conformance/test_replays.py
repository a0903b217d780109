"""Which messages a task sends again: of each kind, and by each of its filters; and what it says beforehand."""

from typing import Any

import pytest

from hookwright.domain.deliveries import Delivery, Key, State, Trigger
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.messages import Content, Message
from hookwright.domain.tasks import KNOWN_MS, Kind, Selection
from hookwright.errors import NotFound
from hookwright.store.applications import DeleteApplication
from hookwright.store.messages import CreateExample, ExpungeContent
from hookwright.store.tasks import LookAhead, NextSlice
from hookwright.stores.sql import replays

from .conftest import OpenStore
from .makers import HOUR, NOW, ORG, World, check
from .tasks import begin, carry_on, ended, failed, finish, found, rounds


async def again(world: World, endpoint: Endpoint, kind: Kind, *, task: str = "qtask_1", **wanted: Any) -> dict[str, list[int]]:
    """The rounds of each message at the endpoint, after a task of this kind."""
    ahead = await glance(world, endpoint, kind, **wanted)
    await begin(world, endpoint, kind, task=task, **wanted)
    await finish(world)
    assert (await found(world, task)).done == ahead
    return await rounds(world, endpoint)


def added(made: dict[str, list[int]]) -> set[str]:
    """The messages that have a round by hand."""
    return {message for message, each in made.items() if each[-1] > 0}


async def glance(world: World, endpoint: Endpoint, kind: Kind, *, since: int = NOW, until: int = NOW + HOUR, **wanted: Any) -> int:
    """How many messages it says it would send, in slices of two."""
    count, mark = 0, None
    while True:
        selection = Selection(since=since, until=until, **wanted)
        query = LookAhead(kind=kind, application=world.app, endpoint=endpoint.id, selection=selection, mark=mark, limit=2)
        seen = await world.store.read(query)
        count, mark = count + seen.messages, seen.mark
        if mark is None:
            return count


def ids_of(*messages: Message) -> set[str]:
    return {message.id for message in messages}


def test_a_bulk_replay_sends_what_succeeded_and_what_failed_and_leaves_alone_what_is_on_its_way(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        delivered, given_up = await ended(world, endpoint, State.SUCCESS, State.FAIL)
        live = await world.message(endpoint)
        await ended(world, other, State.SUCCESS)
        await world.message()
        made = await again(world, endpoint, Kind.BULK)
        assert added(made) == ids_of(delivered, given_up)
        assert made[live.id] == [0]

    check(stores, story)


@pytest.mark.parametrize("state", [State.SUCCESS, State.FAIL, State.CANCELED])
def test_a_bulk_replay_by_status_goes_by_what_all_rounds_came_to(stores: OpenStore, state: State) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        delivered, given_up, canceled, mended = await ended(world, endpoint, State.SUCCESS, State.FAIL, State.CANCELED, State.FAIL)
        await world.resend(mended, endpoint)
        await world.attempt(mended, endpoint, State.SUCCESS)
        wanted = {State.SUCCESS: [delivered], State.FAIL: [given_up], State.CANCELED: [canceled]}[state]
        made = await again(world, endpoint, Kind.BULK, state=state)
        assert added(made) - ids_of(mended) == ids_of(*wanted)
        assert made[mended.id] == ([0, 1, 2] if state is State.SUCCESS else [0, 1])

    check(stores, story)


def test_a_bulk_replay_leaves_alone_what_was_canceled_unless_it_is_asked_for(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        delivered, _, given_up, _ = await ended(world, endpoint, State.SUCCESS, State.CANCELED, State.FAIL, State.CANCELED)
        assert added(await again(world, endpoint, Kind.BULK)) == ids_of(delivered, given_up)
        assert await glance(world, endpoint, Kind.BULK, state=State.CANCELED) == 2

    check(stores, story)


def test_a_bulk_replay_by_event_type_and_channel(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        made = []
        for event_type, channels in (("a.b", None), ("a.b", ("x",)), ("c.d", ("x", "y")), ("e.f", ("xx",))):
            message = await world.message(endpoint, event_type=event_type, channels=channels)
            await world.attempt(message, endpoint, State.SUCCESS)
            made.append(message)
        assert await glance(world, endpoint, Kind.BULK, event_types=frozenset({"a.b", "e.f"})) == 3
        assert await glance(world, endpoint, Kind.BULK, channel="x") == 2
        assert added(await again(world, endpoint, Kind.BULK, event_types=frozenset({"a.b"}), channel="x")) == ids_of(made[1])

    check(stores, story)


def test_a_bulk_replay_by_the_class_of_the_last_answer(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        made = [
            (await ended(world, endpoint, state, response_status=status))[0]
            for state, status in ((State.SUCCESS, 204), (State.FAIL, 404), (State.FAIL, 503), (State.FAIL, 0))
        ]
        await world.resend(made[2], endpoint)
        await world.attempt(made[2], endpoint, State.FAIL, response_status=400)
        assert await glance(world, endpoint, Kind.BULK, status_class=500) == 0
        assert await glance(world, endpoint, Kind.BULK, status_class=200) == 1
        assert await glance(world, endpoint, Kind.BULK, status_class=0) == 1
        last = await again(world, endpoint, Kind.BULK, status_class=400)
        assert (last[made[1].id], last[made[2].id]) == ([0, 1], [0, 1, 2])

    check(stores, story)


def test_a_message_that_was_canceled_before_any_attempt_is_of_no_class(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        assert await glance(world, endpoint, Kind.BULK, status_class=0) == 0

    check(stores, story)


def test_a_replay_of_what_is_missing_sends_what_the_endpoint_wants_and_never_had(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        other = await world.endpoint()
        endpoint = await world.endpoint(event_types=frozenset({"a.b"}), channels=frozenset({"x"}))
        wanted = await world.message(other, channels=("x", "y"))
        await world.message(other, event_type="c.d", channels=("x",))
        await world.message(channels=("y",))
        await world.message()
        await ended(world, endpoint, State.FAIL)
        await world.message(endpoint, channels=("x",))
        gone = await world.message(channels=("x",))
        await world.store.write(ExpungeContent(application=world.app, message=gone.id, now=world.now))
        assert added(await again(world, endpoint, Kind.MISSING)) == ids_of(wanted)

    check(stores, story)


def test_what_was_missing_is_delivered_and_counted_like_any_other(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        message = await world.message()
        endpoint = await world.endpoint()
        await begin(world, endpoint, Kind.MISSING)
        await finish(world)
        await world.attempt(message, endpoint, State.SUCCESS)
        await begin(world, endpoint, Kind.MISSING, task="qtask_2")
        await finish(world)
        assert await rounds(world, endpoint) == {message.id: [1]}

    check(stores, story)


def test_a_replay_of_what_is_missing_keeps_to_its_range_and_its_application(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        elsewhere = await world.application()
        endpoint = await world.endpoint()
        made = []
        for _ in range(3):
            made.append(await world.message())
            world.now += 1000
        await world.message(application=elsewhere.id)
        await begin(world, endpoint, Kind.MISSING, since=made[1].created_at, until=made[2].created_at)
        await finish(world)
        assert await rounds(world, endpoint) == {made[1].id: [1]}

    check(stores, story)


def test_a_replay_of_what_is_missing_leaves_alone_what_was_an_example_for_another_endpoint(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoints = sorted([await world.endpoint() for _ in range(3)], key=lambda one: one.id)
        first, chosen, last = endpoints
        under_way, seen = await example(world, chosen), await example(world, chosen)
        await world.attempt(seen, chosen, State.SUCCESS)
        missed, had = await world.message(), await world.message(chosen)
        await world.attempt(had, chosen, State.SUCCESS)
        await world.resend(seen, chosen)
        for endpoint in (first, last):
            assert added(await again(world, endpoint, Kind.MISSING, task=f"qtask_{endpoint.id}")) == ids_of(missed, had)
        assert await glance(world, chosen, Kind.MISSING) == 1
        assert under_way.id in await rounds(world, chosen)

    check(stores, story)


async def example(world: World, endpoint: Endpoint) -> Message:
    """A message for this endpoint alone."""
    ident, at = world.mint.mint_timed("msg", world.now)
    message = Message(
        id=ident, organization=ORG, application=world.app, event_type="a.b", created_at=at, content_expires_at=at + 90 * 24 * HOUR
    )  # fmt: skip
    delivery = Delivery(
        key=Key(endpoint.id, ident), application=world.app, organization=ORG, trigger=Trigger.RECOVER, due_at=at, created_at=at
    )  # fmt: skip
    created = await world.store.write(CreateExample(message=message, content=Content(b"{}"), delivery=delivery))
    assert created.deliveries == (delivery,)
    return message


def test_an_example_for_an_application_that_is_gone_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        with pytest.raises(NotFound):
            await example(world, endpoint)

    check(stores, story)


@pytest.mark.parametrize("kind", [Kind.BULK, Kind.MISSING])
def test_a_range_ends_where_the_next_begins_to_the_millisecond(stores: OpenStore, kind: Kind) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        for _ in range(3):
            made = await world.message(*[endpoint] * (kind is Kind.BULK))
            if kind is Kind.BULK:
                await world.attempt(made, endpoint, State.SUCCESS)
            world.now += 4
        for since, until, count in ((0, 1, 1), (1, 4, 0), (0, 4, 1), (1, 5, 1), (4, 9, 2), (3, 7, 1), (5, 8, 0), (0, 99, 3)):
            assert await glance(world, endpoint, kind, since=NOW + since, until=NOW + until) == count

    check(stores, story)


def test_a_replay_of_what_is_missing_waits_until_everybody_knows_what_the_endpoint_wants(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        task = await begin(world, endpoint, Kind.MISSING, until=world.now + KNOWN_MS + 1)
        assert await world.store.read(NextSlice()) == task.created_at + KNOWN_MS
        assert await carry_on(world) == []
        message = await world.message()  # by a process that has not heard of the endpoint
        await finish(world)
        assert await rounds(world, endpoint) == {message.id: [1]}

    check(stores, story)


def test_a_look_ahead_stops_at_its_limit_and_changes_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 3)
        selection = Selection(since=NOW, until=NOW + HOUR, state=State.FAIL)
        query = LookAhead(kind=Kind.RECOVER, application=world.app, endpoint=endpoint.id, selection=selection, limit=2)
        seen = await world.store.read(query)
        assert (seen.messages, seen.mark is None) == (2, False)
        assert await world.under_way() == 0
        with pytest.raises(NotFound):
            await world.store.read(LookAhead(kind=Kind.RECOVER, application=world.app, endpoint="ep_gone", selection=selection, limit=2))

    check(stores, story)


def test_a_replay_of_what_is_missing_looks_into_payloads_where_the_endpoint_has_a_filter(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint(options=Options(filter={"n": {"$gte": 2}}))
        made = [await world.message(body=b'{"n":%d}' % n) for n in range(4)]
        assert added(await again(world, endpoint, Kind.MISSING)) == ids_of(*made[2:])

    check(stores, story)


@pytest.mark.parametrize(("bound", "most"), [("MOST_BYTES", 10), ("MOST_LOOKS", 20)])
def test_a_slice_does_no_more_for_a_filter_than_is_bearable_and_passes_over_nothing(
    stores: OpenStore, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(replays, bound, most)

    async def story(world: World) -> None:
        endpoint = await world.endpoint(options=Options(filter={"n": {"$gte": 2}}))
        made = [await world.message(body=b'{"n":%d}' % n) for n in range(7)]
        await begin(world, endpoint, Kind.MISSING)
        assert await finish(world) == 5
        assert added(await rounds(world, endpoint)) == ids_of(*made[2:])

    check(stores, story)
