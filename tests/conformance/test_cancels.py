"""What ends deliveries before they arrive, and that it ends all of them with a record (P2)."""

import pytest

from hookwright.domain.deliveries import State
from hookwright.errors import NotFound
from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import CancelDeliveries, Release, Stats
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import Canceled, CancelMessage, ExpungeContent

from .conftest import OpenStore
from .deliveries import attempts, claimed, settle, settlement, state, stats
from .makers import ORG, World, check


def test_live_rows_of_a_deleted_endpoint_end_as_canceled_owned_ones_too(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        goes, stays = await world.endpoint(), await world.endpoint()
        message = await world.message(goes)
        owned = await claimed(world, goes)
        await world.message(goes, stays)
        await world.store.write(DeleteEndpoint(application=world.app, ref=goes.id, now=world.now))
        assert await world.store.write(CancelDeliveries(now=world.now, limit=10)) == 2
        assert await world.under_way() == 1
        assert await state(world, message) is State.CANCELED
        assert await settle(world, settlement(world, owned, State.SUCCESS)) == [False]
        assert await attempts(world, message) == []
        assert await world.store.write(CancelDeliveries(now=world.now, limit=10)) == 0

    check(stores, story)


def test_canceling_goes_on_in_slices_until_nothing_is_left(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoints = [await world.endpoint() for _ in range(3)]
        for _ in range(3):
            await world.message(*endpoints)
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        slices = []
        while ended := await world.store.write(CancelDeliveries(now=world.now, limit=4)):
            slices.append(ended)
        assert (sum(slices), max(slices)) == (9, 4)
        assert await world.under_way() == 0

    check(stores, story)


def test_deleted_endpoints_without_rows_do_not_end_the_canceling_early(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoints = [await world.endpoint() for _ in range(6)]
        await world.message(endpoints[-1])
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        assert await world.store.write(CancelDeliveries(now=world.now, limit=2)) == 1

    check(stores, story)


def test_expunging_a_message_cancels_what_is_on_its_way_and_a_late_success_does_not_count(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        assert await settle(world, settlement(world, delivery, State.SUCCESS)) == [False]
        assert await state(world, message) is State.CANCELED

    check(stores, story)


def test_rounds_that_are_canceled_together_count_once_and_not_if_one_has_arrived_before(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        arrived, never = await world.message(endpoint), await world.message(endpoint)
        await world.attempt(arrived, endpoint, State.SUCCESS)
        for message in (arrived, arrived, never):
            await world.resend(message, endpoint)
        for message in (arrived, never):
            await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        assert await stats(world, endpoint) == Stats(success=1, canceled=1)
        assert await world.under_way() == 0

    check(stores, story)


def test_canceling_a_message_ends_what_waits_and_leaves_what_is_being_sent(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        waits, retried, sends = [await world.endpoint() for _ in range(3)]
        message, other = await world.message(waits, retried, sends), await world.message(waits)
        await world.attempt(message, retried, State.PENDING, due_at=world.now + 1000)
        delivery = await claimed(world, sends)
        command = CancelMessage(application=world.app, message=message.id, now=world.now)
        assert await world.store.write(command) == Canceled(canceled=2, sending=1)
        assert await settle(world, settlement(world, delivery, State.SUCCESS)) == [True]
        assert [await stats(world, each) for each in (retried, sends)] == [Stats(canceled=1), Stats(success=1)]
        assert await stats(world, waits) == Stats(canceled=1, pending=1)
        assert await state(world, other) is State.PENDING

    check(stores, story)


def test_canceling_a_message_ends_what_who_asks_holds_only_while_it_holds_it(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        message = await world.message(endpoint, other)
        held, old = await claimed(world, endpoint), await claimed(world, other)
        await world.store.write(Release(rows=((old.key, old.fence, 0),)))
        await world.attempt(message, other, State.PENDING, due_at=world.now)
        newer = await claimed(world, other)
        holding = ((held.key, held.fence), (old.key, old.fence))
        command = CancelMessage(application=world.app, message=message.id, held=holding, now=world.now)
        assert await world.store.write(command) == Canceled(canceled=1, sending=1)
        assert await settle(world, settlement(world, held, State.SUCCESS)) == [False]
        assert await settle(world, settlement(world, newer, State.SUCCESS)) == [True]

    check(stores, story)


def test_canceling_a_message_that_is_not_there_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        with pytest.raises(NotFound):
            await world.store.write(CancelMessage(application=world.app, message="msg_gone", now=world.now))

    check(stores, story)


def test_who_is_told_that_a_message_is_canceled_ends_what_it_holds_and_nothing_else(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        message = await world.message(endpoint, other)
        held = await claimed(world, endpoint)
        command = CancelMessage(application=world.app, message=message.id, held=((held.key, held.fence),), alone=True, now=world.now)
        assert await world.store.write(command) == Canceled(canceled=1, sending=1)
        assert [await stats(world, each) for each in (endpoint, other)] == [Stats(canceled=1), Stats(pending=1)]

    check(stores, story)
