"""Live deliveries: claimed once, settled only past their fence, ended only with a record (P2, P3, P4)."""

import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import Delivery, Fence, Key, State, Trigger
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.errors import BadRequest, NotFound
from hookwright.store.applications import DeleteApplication
from hookwright.store.attempts import ListAttempts
from hookwright.store.deliveries import (
    CancelDeliveries,
    ClaimDue,
    ClaimedRows,
    DueEndpoint,
    DueEndpoints,
    EndpointStats,
    Forget,
    OpenNode,
    Release,
    Resend,
    Settle,
    Settlement,
    Stats,
    TakeOver,
)
from hookwright.store.endpoints import DeleteEndpoint, FindEndpoint, UpdateEndpoint
from hookwright.store.messages import ExpungeContent, ListDestinations

from .conftest import OpenStore
from .makers import HOUR, NOW, ORG, OWNER, World, check


async def claim(world: World, endpoint: Endpoint, *, owner: int = OWNER, limit: int = 100, most_bytes: int = 2**20) -> ClaimedRows:
    return await world.store.write(ClaimDue(endpoint=endpoint.id, owner=owner, now=world.now, limit=limit, most_bytes=most_bytes))


async def claimed(world: World, endpoint: Endpoint) -> Delivery:
    (one,) = (await claim(world, endpoint)).claimed
    return one.delivery


def settlement(world: World, delivery: Delivery, state: State, **fields: Any) -> Settlement:
    attempt = Attempt(
        id=world.mint.mint("atmpt", world.now), key=delivery.key, application=delivery.application, organization=ORG,
        trigger=delivery.trigger, number=delivery.attempts + 1, url="https://example.com/", event_type="a.b", channels=None, response=b"",
        state=State.SUCCESS if state is State.SUCCESS else State.FAIL, response_status=0, started_at=world.now, duration_ms=1,
    )  # fmt: skip
    values = {"key": delivery.key, "fence": delivery.fence, "attempt": attempt, "state": state, "created_at": world.now, "now": world.now}
    return Settlement(**(values | fields))


async def settle(world: World, *settlements: Settlement) -> list[bool]:
    return await world.store.write(Settle(settlements=settlements))


async def attempts(world: World, message: Message) -> list[Attempt]:
    return (await world.store.read(ListAttempts(application=world.app, message=message.id, page=PageRequest()))).data


async def state(world: World, message: Message) -> State:
    page = await world.store.read(ListDestinations(application=world.app, message=message.id, page=PageRequest()))
    (destination,) = page.data
    return destination.status.state


async def stats(world: World, endpoint: Endpoint) -> Stats:
    return await world.store.read(EndpointStats(application=world.app, endpoint=endpoint.id, since=NOW, until=NOW + HOUR))


# Nodes


def test_epochs_grow_across_reopening(stores: OpenStore) -> None:
    async def story() -> list[int]:
        epochs = []
        for _ in range(3):
            async with stores() as store:
                epochs += [await store.write(OpenNode(now=NOW)), await store.write(OpenNode(now=NOW))]
        return epochs

    epochs = asyncio.run(story())
    assert epochs == sorted(set(epochs))
    assert min(epochs) > 0


def test_a_new_node_takes_over_what_another_held_and_keeps_its_own(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint, owner=1)
        await world.message(endpoint, owner=2)
        await world.message(endpoint, owner=3)
        assert await world.store.write(TakeOver(owner=3)) == 2
        assert len((await claim(world, endpoint, owner=3)).claimed) == 2

    check(stores, story)


def test_what_was_owned_when_the_process_ended_is_taken_over_by_the_next(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await world.message(endpoint, owner=await store.write(OpenNode(now=NOW)))
        async with stores() as store:
            assert await store.read(DueEndpoints()) == []
            assert await store.write(TakeOver(owner=await store.write(OpenNode(now=NOW)))) == 1
            assert [due.endpoint for due in await store.read(DueEndpoints())] == [endpoint.id]

    asyncio.run(story())


# Claiming


def test_due_rows_are_claimed_earliest_first_and_up_to_the_limit(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        messages = []
        for _ in range(3):
            messages.append(await world.message(endpoint))
            world.now += 1000
        rows = await claim(world, endpoint, limit=2)
        assert [one.message for one in rows.claimed] == messages[:2]
        assert [one.delivery.owner for one in rows.claimed] == [OWNER, OWNER]
        assert rows.next_due_at == messages[2].created_at
        assert [one.message for one in (await claim(world, endpoint)).claimed] == messages[2:]

    check(stores, story)


def test_a_row_that_is_not_due_yet_is_not_claimed_and_its_time_is_told(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.PENDING, due_at=world.now + 5000)
        world.now += 4999
        assert await claim(world, endpoint) == ClaimedRows((), NOW + 5000)
        world.now += 1
        assert len((await claim(world, endpoint)).claimed) == 1

    check(stores, story)


@pytest.mark.parametrize(("most_bytes", "expected"), [(1, 1), (10, 1), (20, 2), (25, 2), (30, 3)])
def test_bodies_bound_a_claim_but_one_row_always_comes(stores: OpenStore, most_bytes: int, expected: int) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        for _ in range(3):
            await world.message(endpoint, body=b"0123456789")
        rows = await claim(world, endpoint, most_bytes=most_bytes)
        assert len(rows.claimed) == expected
        assert (rows.next_due_at is None) == (expected == 3)

    check(stores, story)


def test_a_claimed_row_whose_content_is_gone_comes_without_it(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.store.write(Forget(now=message.content_expires_at, limit=9))
        (one,) = (await claim(world, endpoint)).claimed
        assert one.content is None
        ended = settlement(world, one.delivery, State.CANCELED, attempt=None)
        assert await settle(world, ended) == [True]
        assert (await state(world, message), await attempts(world, message)) == (State.CANCELED, [])

    check(stores, story)


def test_endpoints_with_unowned_rows_are_told_with_their_earliest_time_unless_disabled(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, two, disabled, owned, empty = [await world.endpoint() for _ in range(5)]
        message = await world.message(one, two, disabled)
        world.now += 1000
        await world.message(one)
        await world.message(owned, owner=OWNER)
        await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(disabled, disabled_reason="manual")))
        due = await world.store.read(DueEndpoints())
        assert due == [DueEndpoint(one.id, message.created_at), DueEndpoint(two.id, message.created_at)]
        assert await world.store.read(DueEndpoints(limit=1)) == due[:1]
        assert await world.store.read(DueEndpoints(after=one.id)) == due[1:]
        assert empty.id not in {each.endpoint for each in due}

    check(stores, story)


# Settling


def test_a_success_ends_the_row_with_its_attempt_and_survives_reopening(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            message = await world.message(endpoint)
            made = settlement(world, await claimed(world, endpoint), State.SUCCESS)
            assert await settle(world, made) == [True]
        async with stores() as store:
            world.store = store
            assert await world.under_way() == 0
            assert await attempts(world, message) == [made.attempt]
            assert await state(world, message) is State.SUCCESS

    asyncio.run(story())


def test_a_retry_keeps_the_row_unowned_with_one_more_attempt(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        assert await settle(world, settlement(world, delivery, State.PENDING, due_at=world.now + 5000)) == [True]
        world.now += 5000
        again = await claimed(world, endpoint)
        assert (again.attempts, again.key, again.due_at) == (1, Key(endpoint.id, message.id), world.now)

    check(stores, story)


@pytest.mark.parametrize("state_", [State.SUCCESS, State.FAIL, State.PENDING])
@pytest.mark.parametrize("fence", [Fence(OWNER + 1, 0), Fence(OWNER, 1), Fence(0, 0)])
def test_a_settlement_whose_fence_does_not_match_changes_nothing_and_leaves_no_attempt(
    stores: OpenStore, state_: State, fence: Fence
) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        foreign = settlement(world, delivery, state_, fence=fence, due_at=world.now + 1, disable=True)
        assert await settle(world, foreign) == [False]
        assert await attempts(world, message) == []
        assert await stats(world, endpoint) == Stats(sending=1)
        assert await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id)) == endpoint
        assert await settle(world, settlement(world, delivery, State.SUCCESS)) == [True]

    check(stores, story)


def test_settling_twice_counts_once(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        once, twice = (settlement(world, delivery, State.SUCCESS) for _ in range(2))
        assert await settle(world, once, twice) == [True, False]
        assert await settle(world, once) == [False]
        assert await attempts(world, message) == [once.attempt]
        assert await stats(world, endpoint) == Stats(success=1)

    check(stores, story)


def test_a_settlement_after_a_take_over_changes_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        before = await claimed(world, endpoint)
        await world.store.write(TakeOver(owner=OWNER + 1))
        assert await settle(world, settlement(world, before, State.SUCCESS)) == [False]
        assert await state(world, message) is State.PENDING

    check(stores, story)


def test_one_settlement_that_does_not_match_leaves_the_others_of_its_command_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        await world.message(endpoint)
        one, two = (each.delivery for each in (await claim(world, endpoint)).claimed)
        wrong = settlement(world, one, State.SUCCESS, fence=Fence(OWNER, 9))
        assert await settle(world, wrong, settlement(world, two, State.SUCCESS)) == [False, True]

    check(stores, story)


def test_a_410_disables_the_endpoint_in_the_same_settlement(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        gone = settlement(world, await claimed(world, endpoint), State.PENDING, due_at=world.now + 5000, disable=True)
        assert await settle(world, gone) == [True]
        found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
        assert found is not None
        assert found.disabled_reason == "gone"
        assert await world.store.read(DueEndpoints()) == []

    check(stores, story)


def test_a_410_does_not_replace_the_reason_of_a_person(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, disabled_reason="manual")))
        await settle(world, settlement(world, delivery, State.FAIL, disable=True))
        found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
        assert found is not None
        assert found.disabled_reason == "manual"

    check(stores, story)


def test_a_410_of_an_address_that_was_replaced_meanwhile_disables_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        moved = msgspec.structs.replace(endpoint, url="https://example.com/new")
        await world.store.write(UpdateEndpoint(endpoint=moved))
        assert await settle(world, settlement(world, delivery, State.FAIL, disable=True)) == [True]
        assert await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id)) == moved

    check(stores, story)


def test_released_rows_are_claimable_and_no_attempt_older(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        await world.store.write(Release(rows=((delivery.key, Fence(OWNER + 1, 0), 0), (delivery.key, Fence(OWNER, 1), 0))))
        assert (await claim(world, endpoint)).claimed == ()
        await world.store.write(Release(rows=((delivery.key, delivery.fence, 0),)))
        assert await claimed(world, endpoint) == delivery

    check(stores, story)


# Rounds


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


# Ending


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
