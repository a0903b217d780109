"""What is removed, when its time has come or by request: bodies, and what receivers answered to them."""

from typing import Any

from hookwright.domain.credentials import Revocation
from hookwright.domain.deliveries import Delivery, State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.store.attempts import ListAttempts
from hookwright.store.deliveries import ClaimDue, Forget, Stats
from hookwright.store.messages import ExpungeContent, FindMessage
from hookwright.store.organizations import Revoke

from .conftest import OpenStore
from .deliveries import settle, settlement, state, stats
from .makers import NOW, ORG, OWNER, World, check
from .tables import ReadTables


async def responses(world: World, message: Message) -> list[bytes]:
    found = await world.store.read(ListAttempts(application=world.app, message=message.id, page=PageRequest(order="ascending")))
    return [attempt.response for attempt in found.data]


async def has_content(world: World, message: Message) -> bool:
    found = await world.store.read(FindMessage(application=world.app, ref=message.id))
    assert found is not None
    return found.content is not None


async def forget(world: World, limit: int = 100) -> int:
    return await world.store.write(Forget(now=world.now, limit=limit))


async def claimed(world: World, endpoint: Endpoint) -> Delivery:
    rows = await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=world.now, limit=1, most_bytes=1))
    return rows.claimed[0].delivery


def test_what_receivers_answered_goes_with_the_body_when_its_time_has_come(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        for response in (b"you sent {}", b""):
            await world.attempt(message, endpoint, State.PENDING, due_at=NOW, response=response, truncated=True)
        world.now = message.content_expires_at - 1
        await forget(world)
        assert await responses(world, message) == [b"you sent {}", b""]
        world.now += 1
        await forget(world)
        assert await responses(world, message) == [b"EXPUNGED", b""]
        assert not await has_content(world, message)

    check(stores, story)


def test_what_was_answered_to_other_messages_stays(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        old = await world.message(endpoint)
        world.now += 1000
        young = await world.message(endpoint)
        for message in (old, young):
            await world.attempt(message, endpoint, State.SUCCESS)
        world.now = old.content_expires_at
        await forget(world)
        assert [await responses(world, message) for message in (old, young)] == [[b"EXPUNGED"], [b"ok"]]
        await world.store.write(ExpungeContent(application=world.app, message=old.id, now=world.now))
        assert await responses(world, young) == [b"ok"]

    check(stores, story)


def test_forgetting_goes_in_slices_and_a_body_stays_until_the_last_of_what_quotes_it_is_gone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        long, short = await world.message(endpoint), await world.message()
        for _ in range(5):
            await world.attempt(long, endpoint, State.PENDING, due_at=NOW)
        world.now = short.content_expires_at
        seen = []
        while gone := await forget(world, limit=2):
            left = (await responses(world, long)).count(b"ok")
            seen.append((gone, left, await has_content(world, long), await has_content(world, short)))
        assert seen == [(2, 4, True, True), (2, 2, True, True), (2, 0, True, True), (2, 0, False, False)]

    check(stores, story)


def test_what_receivers_answered_goes_with_a_body_that_is_removed_by_request(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, two = await world.endpoint(), await world.endpoint()
        message = await world.message(one, two)
        await world.attempt(message, one, State.SUCCESS)
        await world.attempt(message, two, State.PENDING, due_at=NOW, response=b"")
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        assert await responses(world, message) == [b"EXPUNGED", b""]

    check(stores, story)


def test_what_is_held_ends_as_canceled_when_its_payload_goes(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint(disabled_reason="manual")
        message = await world.message(endpoint)
        world.now = message.content_expires_at - 1
        assert await forget(world) == 0
        assert await state(world, message) is State.PENDING
        world.now += 1
        assert await forget(world) == 2
        assert await state(world, message) is State.CANCELED
        assert not await has_content(world, message)
        assert await stats(world, endpoint) == Stats(canceled=1)

    check(stores, story)


def test_what_waits_is_canceled_in_slices_before_its_payload_goes(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoints = [await world.endpoint() for _ in range(5)]
        message = await world.message(*endpoints)
        world.now = message.content_expires_at
        seen = []
        while gone := await forget(world, limit=2):
            waiting = sum([(await stats(world, endpoint)).pending for endpoint in endpoints])
            seen.append((gone, waiting, await has_content(world, message)))
        assert seen == [(2, 3, True), (2, 1, True), (2, 0, False)]

    check(stores, story)


def test_what_is_being_sent_ends_by_itself_and_keeps_its_payload_until_then_and_no_other_from_going(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        sent = await world.message(endpoint)
        delivery = await claimed(world, endpoint)
        other = await world.message()
        world.now = other.content_expires_at
        while await forget(world, limit=1):
            pass
        assert [await has_content(world, message) for message in (sent, other)] == [True, False]
        assert await settle(world, settlement(world, delivery, State.SUCCESS, created_at=sent.created_at)) == [True]
        assert await forget(world) == 1
        assert await state(world, sent) is State.SUCCESS
        assert not await has_content(world, sent)

    check(stores, story)


def test_ended_portal_tokens_that_have_expired_are_forgotten_in_slices_and_no_others(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World) -> None:
        times = (NOW + 1, NOW - 1, NOW - 2, NOW)
        of: dict[str, Any] = {"organization": ORG, "application": world.app, "issued_until": 1, "effective_at": 1}
        await world.store.write(Revoke(revocations=tuple(Revocation(**of, session_id=f"{at}", forget_at=at) for at in times)))
        assert [await forget(world, limit=2) for _ in range(3)] == [2, 1, 0]

    check(stores, story)
    assert [row["forget_at"] for row in tables()["revocations"]] == [NOW + 1]
