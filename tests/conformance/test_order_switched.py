"""An endpoint that becomes ordered, or is no more, while messages are on their way."""

import msgspec

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.store.deliveries import ClaimedRows
from hookwright.store.endpoints import UpdateEndpoint

from .conftest import OpenStore
from .deliveries import claim, settle, settlement
from .makers import HOUR, World
from .test_order import ORDERED, check, claimed, end, first, made, release


def test_from_the_moment_an_endpoint_is_ordered_what_comes_has_an_order_and_what_was_there_goes_before(stores: OpenStore) -> None:
    async def story(world: World, _: Endpoint) -> None:
        endpoint = await world.endpoint()
        retried = await world.message(endpoint)
        await world.attempt(retried, endpoint, State.PENDING, due_at=world.now + 5000)
        before = await made(world, endpoint, 3)
        ordered = msgspec.structs.replace(endpoint, options=ORDERED)
        await world.store.write(UpdateEndpoint(endpoint=ordered))
        world.now += 1000
        after = await made(world, ordered, 3)
        rows = await first(world, ordered)
        assert {each.message.id for each in rows.claimed[:3]} == set(before)
        assert [each.message.id for each in rows.claimed[3:]] == after
        await end(world, *(each.delivery for each in rows.claimed))
        after = await made(world, ordered, 1)
        one = (await first(world, ordered)).claimed[0].delivery
        await settle(world, settlement(world, one, State.PENDING, due_at=world.now + HOUR))
        world.now += 5000
        assert await claimed(world, ordered) == [retried.id], "no order was promised for it: it waits for nobody"

    check(stores, story)


def test_who_has_not_heard_that_an_endpoint_is_ordered_is_given_only_what_has_no_place(stores: OpenStore) -> None:
    async def story(world: World, _: Endpoint) -> None:
        endpoint = await world.endpoint()
        before = await made(world, endpoint, 1)
        ordered = msgspec.structs.replace(endpoint, options=ORDERED)
        await world.store.write(UpdateEndpoint(endpoint=ordered))
        after = await made(world, ordered, 3)
        (stray,) = (await claim(world, endpoint)).claimed
        assert [stray.message.id] == before
        assert await claim(world, endpoint) == ClaimedRows((), None, held=True), "which is no reason to ask again at once"
        await end(world, stray.delivery)
        assert await claimed(world, ordered) == after
        assert await claim(world, endpoint) == ClaimedRows((), None)

    check(stores, story)


def test_an_endpoint_that_is_ordered_no_more_has_its_messages_claimed_as_they_are_due(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 3)
        one, *others = [each.delivery for each in (await first(world, endpoint)).claimed]
        await settle(world, settlement(world, one, State.PENDING, due_at=world.now + 5000))
        await release(world, *others)
        plain = msgspec.structs.replace(endpoint, options=Options())
        await world.store.write(UpdateEndpoint(endpoint=plain))
        assert sorted(await claimed(world, plain)) == sorted(messages[1:]), "also by who has not heard of it yet"
        world.now += 5000
        assert [each.message.id for each in (await claim(world, plain)).claimed] == messages[:1]

    check(stores, story)


def test_an_endpoint_that_becomes_ordered_again_goes_on_behind_what_had_a_place(stores: OpenStore) -> None:
    async def story(world: World, endpoint: Endpoint) -> None:
        messages = await made(world, endpoint, 2)
        for options in (Options(), ORDERED):
            await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, options=options)))
        messages += await made(world, endpoint, 2)
        assert await claimed(world, endpoint) == messages

    check(stores, story)
