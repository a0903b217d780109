"""What ends deliveries before they arrive, and that it ends all of them with a record (P2)."""

from hookwright.domain.deliveries import State
from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import CancelDeliveries, Stats
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import ExpungeContent

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
