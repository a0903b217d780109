"""Each resend is a round of its own; a message counts by the best that any of its rounds came to."""

import pytest

from hookwright.domain.deliveries import State, Trigger
from hookwright.errors import BadRequest, NotFound
from hookwright.store.deliveries import ClaimedRows, Resend, Stats
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import ExpungeContent

from .conftest import OpenStore
from .deliveries import attempts, claim, claimed, settle, settlement, state, stats
from .makers import NOW, World, check


def test_a_resend_adds_a_round_and_leaves_the_scheduled_retry_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.PENDING, due_at=world.now + 5000)
        added = await world.resend(message, endpoint)
        assert (added.key.round, added.trigger, added.owner, added.due_at) == (1, Trigger.RESEND, 0, world.now)
        assert await settle(world, settlement(world, await claimed(world, endpoint), State.FAIL)) == [True]
        assert await claim(world, endpoint) == ClaimedRows((), NOW + 5000)
        world.now += 5000
        scheduled = await claimed(world, endpoint)
        assert (scheduled.key.round, scheduled.attempts) == (0, 1)

    check(stores, story)


def test_each_resend_is_a_round_of_its_own(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        rounds = [(await world.resend(message, endpoint)).key.round for _ in range(3)]
        await settle(world, *(settlement(world, one.delivery, State.FAIL) for one in (await claim(world, endpoint)).claimed))
        assert [*rounds, (await world.resend(message, endpoint)).key.round] == [1, 2, 3, 4]

    check(stores, story)


def test_a_failed_resend_after_a_success_changes_neither_status_nor_counters(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await settle(world, settlement(world, await claimed(world, endpoint), State.SUCCESS))
        await world.resend(message, endpoint)
        await settle(world, settlement(world, await claimed(world, endpoint), State.FAIL))
        assert (await state(world, message), await stats(world, endpoint)) == (State.SUCCESS, Stats(success=1))
        assert len(await attempts(world, message)) == 2

    check(stores, story)


def test_a_successful_resend_after_a_failure_moves_the_message_from_failed_to_succeeded(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await settle(world, settlement(world, await claimed(world, endpoint), State.FAIL))
        assert await stats(world, endpoint) == Stats(fail=1)
        await world.resend(message, endpoint)
        await settle(world, settlement(world, await claimed(world, endpoint), State.SUCCESS))
        assert (await state(world, message), await stats(world, endpoint)) == (State.SUCCESS, Stats(success=1))

    check(stores, story)


def test_a_message_counts_once_however_many_rounds_fail(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        for _ in range(3):
            await settle(world, settlement(world, await claimed(world, endpoint), State.FAIL))
            await world.resend(message, endpoint)
        await settle(world, settlement(world, await claimed(world, endpoint), State.FAIL))
        assert await stats(world, endpoint) == Stats(fail=1)

    check(stores, story)


def test_what_is_not_there_cannot_be_resent(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, deleted = await world.endpoint(), await world.endpoint()
        message = await world.message(endpoint)
        other = await world.application()
        await world.store.write(DeleteEndpoint(application=world.app, ref=deleted.id, now=world.now))
        for app, target, ident in (
            (world.app, endpoint.id, "msg_unknown"), (world.app, "ep_unknown", message.id), (world.app, deleted.id, message.id),
            (other.id, endpoint.id, message.id),
        ):  # fmt: skip
            with pytest.raises(NotFound):
                await world.store.write(Resend(application=app, endpoint=target, message=ident, now=world.now))

    check(stores, story)


def test_a_message_whose_body_is_gone_cannot_be_resent(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        with pytest.raises(BadRequest) as refused:
            await world.resend(message, endpoint)
        assert refused.value.code == "missing_payload"

    check(stores, story)
