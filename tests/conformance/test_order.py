"""At an ordered endpoint the commits' order is the order of claims, one holder at a time, whatever happens to the first (FIFO)."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hookwright.domain.deliveries import Delivery, Key, State
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.messages import Content, Message
from hookwright.domain.tasks import Kind
from hookwright.store.deliveries import ClaimedRows, Forget, Release
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, FindEndpoint, UpdateEndpoint
from hookwright.store.messages import Canceled, CancelMessage, Created, CreateMessage, CreateMessages, ExpungeContent
from hookwright.store.nodes import OpenNode, TakeOver

from . import makers
from .conftest import OpenStore
from .deliveries import attempts, claim, settle, settlement
from .makers import HOUR, NOW, ORG, OWNER, World
from .order_machine import OrderMachine
from .tables import ReadTables
from .tasks import begin, finish

pytestmark = pytest.mark.long
ORDERED = Options(ordered=True)
OTHER = OWNER + 1
MACHINES = 25


def check(stores: OpenStore, story: Callable[[World, Endpoint], Awaitable[None]]) -> None:
    """Run a story in a world with an ordered endpoint."""

    async def with_endpoint(world: World) -> None:
        await story(world, await world.endpoint(options=ORDERED))

    makers.check(stores, with_endpoint)


async def first(world: World, endpoint: Endpoint, *, owner: int = OWNER, limit: int = 100, most_bytes: int = 2**20) -> ClaimedRows:
    """Claim in order."""
    return await claim(world, endpoint, owner=owner, limit=limit, most_bytes=most_bytes, ordered=True)


async def claimed(world: World, endpoint: Endpoint, **fields: int) -> list[str]:
    """The messages that a claim in order gives."""
    return [one.message.id for one in (await first(world, endpoint, **fields)).claimed]


async def made(world: World, endpoint: Endpoint, count: int) -> list[str]:
    return [(await world.message(endpoint)).id for _ in range(count)]


def creation(world: World, *endpoints: Endpoint, at: int | None = None) -> CreateMessage:
    """A message that is due at `at` (Unix ms), whenever it was made."""
    ident, created_at = world.mint.mint_timed("msg", world.now)
    due_at = world.now if at is None else at
    message = Message(
        id=ident, organization=ORG, application=world.app, event_type="a.b", created_at=created_at, content_expires_at=created_at + HOUR
    )
    deliveries = tuple(
        Delivery(key=Key(one.id, ident), application=world.app, organization=ORG, due_at=due_at, created_at=created_at, ordered=True)
        for one in endpoints
    )
    return CreateMessage(message=message, content=Content(b"{}"), deliveries=deliveries)


async def end(world: World, *deliveries: Delivery) -> None:
    assert all(await settle(world, *(settlement(world, delivery, State.SUCCESS) for delivery in deliveries)))


async def release(world: World, *deliveries: Delivery, due_at: int = 0) -> None:
    await world.store.write(Release(rows=tuple((delivery.key, delivery.fence, due_at) for delivery in deliveries)))


def test_messages_are_claimed_in_the_order_of_their_commits_whenever_they_are_due(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        commands = [creation(world, endpoint, at=NOW - 1000 * n) for n in range(4)]
        for command in commands:
            await world.store.write(command)
        messages = [command.message.id for command in commands]
        rows = await first(world, endpoint, limit=3)
        assert [one.message.id for one in rows.claimed] == messages[:3]
        assert [one.delivery.owner for one in rows.claimed] == [OWNER] * 3
        assert rows.next_due_at == NOW - 3000
        await end(world, *(one.delivery for one in rows.claimed))
        assert await claimed(world, endpoint) == messages[3:]

    check(stores, story)


def test_what_was_committed_at_the_same_moment_has_one_order_and_keeps_that_of_the_waves(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        waves = []
        for _ in range(5):
            commands = [creation(world, endpoint, at=NOW - n) for n in range(20)]
            await asyncio.gather(*(world.store.write(command) for command in commands))
            waves.append({command.message.id for command in commands})
        seen: list[str] = []
        while len(seen) < 100:
            rows = await first(world, endpoint, limit=30)
            seen += [one.message.id for one in rows.claimed]
            await end(world, *(one.delivery for one in rows.claimed))
        assert [set(seen[n : n + 20]) for n in range(0, 100, 20)] == waves

    check(stores, story)


def test_while_somebody_has_any_of_them_nobody_gets_more(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 4)
        one, two = [each.delivery for each in (await first(world, endpoint, limit=2)).claimed]
        assert await first(world, endpoint, owner=OTHER) == ClaimedRows((), None, held=True)
        await end(world, one)
        assert await first(world, endpoint, owner=OTHER) == ClaimedRows((), None, held=True)
        assert await first(world, endpoint) == ClaimedRows((), None, held=True), "nor who has them"
        await release(world, two)
        assert await claimed(world, endpoint, owner=OTHER) == messages[1:]

    check(stores, story)


def test_of_those_who_claim_at_the_same_moment_one_gets_all(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        answers = await asyncio.gather(*(claimed(world, endpoint, owner=owner) for owner in (OWNER, OTHER, OWNER, OTHER)))
        assert sorted(answers) == [[], [], [], messages]

    check(stores, story)


def test_the_first_holds_up_the_others_until_it_is_due_again(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        one, *others = [each.delivery for each in (await first(world, endpoint)).claimed]
        await settle(world, settlement(world, one, State.PENDING, due_at=world.now + 5000))
        await release(world, *others)
        messages += await made(world, endpoint, 1)
        assert await first(world, endpoint) == ClaimedRows((), NOW + 5000)
        world.now += 5000
        rows = await first(world, endpoint)
        assert [each.message.id for each in rows.claimed] == messages
        assert [each.delivery.attempts for each in rows.claimed] == [1, 0, 0, 0]

    check(stores, story)


def test_one_that_was_given_back_for_later_holds_up_the_others(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 2)
        one, two = [each.delivery for each in (await first(world, endpoint)).claimed]
        await release(world, two)
        await release(world, one, due_at=world.now + 5000)
        assert await first(world, endpoint) == ClaimedRows((), NOW + 5000)
        world.now += 5000
        assert await claimed(world, endpoint) == messages

    check(stores, story)


def test_a_node_that_died_leaves_them_in_their_order(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        dead, other = await world.store.write(OpenNode(now=NOW)), await world.store.write(OpenNode(now=NOW))
        one = (await first(world, endpoint, owner=dead, limit=2)).claimed[0].delivery
        assert (await first(world, endpoint, owner=other)).held
        await world.store.write(TakeOver(owner=other))
        assert await settle(world, settlement(world, one, State.SUCCESS)) == [False]
        assert await claimed(world, endpoint, owner=other) == messages

    check(stores, story)


@pytest.mark.parametrize(("most_bytes", "expected"), [(1, 1), (10, 1), (20, 2), (25, 2), (30, 3)])
def test_bodies_bound_what_is_claimed_in_order_but_the_first_always_comes(stores: OpenStore, most_bytes: int, expected: int) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = [(await world.message(endpoint, body=b"0123456789")).id for _ in range(3)]
        assert await claimed(world, endpoint, most_bytes=most_bytes) == messages[:expected]

    check(stores, story)


def test_a_batch_has_places_in_its_order_beside_endpoints_that_have_none(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        plain, other = await world.endpoint(), await world.endpoint(options=ORDERED)
        to = ((endpoint, plain), (other,), (endpoint, other))
        commands = [creation(world, *endpoints, at=NOW - n) for n, endpoints in enumerate(to)]
        results = await world.store.write(CreateMessages(messages=tuple(commands)))
        assert [type(one) for one in results] == [Created] * 3
        messages = [command.message.id for command in commands]
        assert await claimed(world, endpoint) == [messages[0], messages[2]]
        assert await claimed(world, other) == messages[1:]
        assert {row["position"] for row in tables()["deliveries"] if row["endpoint"] == plain.id} == {0}
        assert len((await claim(world, plain)).claimed) == 1

    check(stores, story)


def test_what_is_sent_again_comes_last(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        message, failed = await world.message(endpoint), await world.message(endpoint)
        one, two = [each.delivery for each in (await first(world, endpoint)).claimed]
        await settle(world, settlement(world, one, State.SUCCESS), settlement(world, two, State.FAIL))
        waits = await world.message(endpoint)
        await world.resend(message, endpoint)
        await begin(world, endpoint)
        await finish(world)
        newest = await world.message(endpoint)
        keys = [each.delivery.key for each in (await first(world, endpoint)).claimed]
        expected = [(waits, 0), (message, 1), (failed, 1), (newest, 0)]
        assert [(key.message, key.round) for key in keys] == [(of.id, round) for of, round in expected]

    check(stores, story)


def test_what_a_bulk_replay_sends_again_comes_behind_all_others_in_the_order_of_its_messages(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        await end(world, *(each.delivery for each in (await first(world, endpoint)).claimed))
        world.now += 1000
        waits = await made(world, endpoint, 1)
        await begin(world, endpoint, Kind.BULK, until=NOW + 1000)
        await finish(world)
        keys = [each.delivery.key for each in (await first(world, endpoint)).claimed]
        assert [(key.message, key.round) for key in keys] == [(waits[0], 0), *((message, 1) for message in messages)]

    check(stores, story)


def test_behind_one_that_was_expunged_the_next_is_the_first(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        one, *others = [each.delivery for each in (await first(world, endpoint)).claimed]
        await settle(world, settlement(world, one, State.PENDING, due_at=world.now + 5000))
        await release(world, *others)
        await world.store.write(ExpungeContent(application=world.app, message=messages[0], now=world.now))
        assert await claimed(world, endpoint) == messages[1:]

    check(stores, story)


def test_behind_one_that_was_canceled_the_next_is_the_first(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        one, two, three = [each.delivery for each in (await first(world, endpoint)).claimed]
        await settle(world, settlement(world, one, State.PENDING, due_at=world.now + 5000))
        await release(world, three)
        waiting = CancelMessage(application=world.app, message=messages[0], now=world.now)
        queued = CancelMessage(application=world.app, message=messages[1], held=((two.key, two.fence),), now=world.now)
        for command in (waiting, queued):
            assert await world.store.write(command) == Canceled(canceled=1, sending=0, behind=(endpoint.id,))
        assert (await world.store.write(queued)).behind == ()
        assert await claimed(world, endpoint) == messages[2:]

    check(stores, story)


def test_behind_one_whose_payload_is_too_old_the_next_is_the_first(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        old = creation(world, endpoint)
        await world.store.write(old)
        messages = await made(world, endpoint, 2)
        one, *others = [each.delivery for each in (await first(world, endpoint)).claimed]
        await settle(world, settlement(world, one, State.PENDING, due_at=world.now + 9 * HOUR))
        await release(world, *others)
        world.now = old.message.content_expires_at
        await world.store.write(Forget(now=world.now, limit=10))
        assert await claimed(world, endpoint) == messages

    check(stores, story)


def test_an_exhausted_message_disables_its_endpoint_which_begins_with_it_when_it_is_enabled(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 2)
        one, two = [each.delivery for each in (await first(world, endpoint)).claimed]
        exhausted = settlement(world, one, State.PENDING, due_at=world.now, disable="exhausted")
        assert await settle(world, exhausted) == [True]
        await release(world, two)
        found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
        assert found is not None
        assert found.disabled_reason == "exhausted"
        await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(found, disabled_reason=None)))
        rows = await first(world, endpoint)
        assert [each.message.id for each in rows.claimed] == messages
        assert rows.claimed[0].delivery.attempts == 1

    check(stores, story)


def test_no_more_is_claimed_at_once_than_others_would_see(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 70)
        rows = await first(world, endpoint)
        assert [each.message.id for each in rows.claimed] == messages[:63]
        await end(world, *(each.delivery for each in rows.claimed[:-1]))
        assert (await first(world, endpoint, owner=OTHER)).held

    check(stores, story)


def test_a_deleted_endpoint_gets_nothing_more_and_a_claim_finds_nothing(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        created = await world.store.write(creation(world, endpoint))
        assert created.deliveries == ()
        assert await first(world, endpoint) == ClaimedRows((), None)

    check(stores, story)


def test_the_attempts_at_a_message_are_kept_as_everywhere(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        message = await world.message(endpoint)
        for number in range(3):
            (one,) = (await first(world, endpoint)).claimed
            state = State.PENDING if number < 2 else State.SUCCESS
            await settle(world, settlement(world, one.delivery, state, due_at=world.now))
        assert [attempt.number for attempt in await attempts(world, message)] == [3, 2, 1]

    check(stores, story)


def test_an_endpoint_keeps_its_place_in_order_across_reopening(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await store.write(CreateEndpoint(record=world.record(options=ORDERED), most=9))
            messages = await made(world, endpoint, 2)
        async with stores() as store:
            world.store = store
            messages += await made(world, endpoint, 2)
            assert await claimed(world, endpoint) == messages

    asyncio.run(story())


def test_a_model_of_an_ordered_endpoint_agrees_with_the_store_whatever_nodes_and_people_do(stores: OpenStore) -> None:
    with asyncio.Runner() as runner:
        opened = stores()
        store = runner.run(opened.__aenter__())
        try:
            steps = settings(max_examples=MACHINES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
            machine: Any = lambda: OrderMachine(runner.run, store, os.urandom)  # noqa: E731
            run_state_machine_as_test(machine, settings=steps)
        finally:
            runner.run(opened.__aexit__(None, None, None))
