"""Turns of what has a rate: they follow each other evenly, whoever takes them, and nobody has the same."""

import asyncio

from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import CancelDeliveries
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.health import TakeTurns, Turn
from hookwright.store.retention import Erase

from .conftest import OpenStore
from .makers import HOUR, NOW, ORG, World, check
from .tables import ReadTables, naming

NOW_US = NOW * 1000
EVERY = 20_000
"""Fifty a second."""


async def take(world: World, *turns: Turn, count: int = 1, now: int = NOW_US) -> tuple[int, ...]:
    return await world.store.write(TakeTurns(turns=turns, count=count, now=now))


def test_turns_begin_now_and_follow_each_other(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        turn = Turn("ep_1", EVERY)
        assert await take(world, turn, count=3) == (NOW_US,)
        assert await take(world, turn) == (NOW_US + 3 * EVERY,)
        assert await take(world, turn, now=NOW_US + EVERY) == (NOW_US + 4 * EVERY,)
        assert await take(world, Turn("ep_2", EVERY)) == (NOW_US,)

    check(stores, story)


def test_turns_of_a_time_that_has_passed_are_given_to_nobody(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        turn, later = Turn("ep_1", EVERY), NOW_US + 60_000_000
        await take(world, turn, count=5)
        assert await take(world, turn, count=5, now=later) == (later,)
        assert await take(world, turn, now=later) == (later + 5 * EVERY,)

    check(stores, story)


def test_an_older_clock_takes_turns_behind_those_of_a_newer_one(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        turn = Turn("ep_1", EVERY)
        await take(world, turn, now=NOW_US + 5_000_000)
        assert await take(world, turn, now=NOW_US) == (NOW_US + 5_000_000 + EVERY,)

    check(stores, story)


def test_turns_that_are_hours_ahead_were_taken_by_a_clock_that_was_and_nobody_waits_for_them(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        turn = Turn("ep_1", EVERY)
        await take(world, turn, now=NOW_US + 2 * HOUR * 1000)
        assert await take(world, turn, count=2) == (NOW_US,)
        assert await take(world, turn) == (NOW_US + 2 * EVERY,)

    check(stores, story)


def test_a_rate_that_was_changed_counts_from_the_next_turn_on(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await take(world, Turn("ep_1", 1_000_000), count=2)
        assert await take(world, Turn("ep_1", EVERY), count=2) == (NOW_US + 2_000_000,)
        assert await take(world, Turn("ep_1", EVERY)) == (NOW_US + 2_000_000 + 2 * EVERY,)

    check(stores, story)


def test_turns_of_an_endpoint_and_of_its_application_are_answered_in_the_order_in_which_they_were_asked_for(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await take(world, Turn("b", EVERY), count=7)
        assert await take(world, Turn("b", EVERY), Turn("a", 10 * EVERY), count=2) == (NOW_US + 7 * EVERY, NOW_US)
        assert await take(world, Turn("a", 10 * EVERY), Turn("b", EVERY)) == (NOW_US + 20 * EVERY, NOW_US + 9 * EVERY)

    check(stores, story)


def test_many_who_take_at_once_never_get_the_same_turn_and_leave_none_out(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        turns = (Turn("ep_1", EVERY), Turn("app_1", EVERY // 2))
        counts = [1 + number % 4 for number in range(24)]
        orders = [turns if number % 2 else turns[::-1] for number in range(24)]  # as endpoints that share an application come
        answers = await asyncio.gather(*(take(world, *order, count=count) for order, count in zip(orders, counts, strict=True)))
        for turn in turns:
            taken = sorted(
                answer[order.index(turn)] + n * turn.every
                for answer, order, count in zip(answers, orders, counts, strict=True)
                for n in range(count)
            )
            assert taken == [NOW_US + n * turn.every for n in range(sum(counts))]

    check(stores, story)


def test_turns_outlive_the_process(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            await take(World(store), Turn("ep_1", EVERY), count=9)
        async with stores() as store:
            assert await take(World(store), Turn("ep_1", EVERY)) == (NOW_US + 9 * EVERY,)

    asyncio.run(story())


def test_of_what_was_deleted_no_turns_are_left_in_the_end(stores: OpenStore, tables: ReadTables) -> None:
    idents: list[str] = []

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        gone = await world.application()
        idents.extend([endpoint.id, gone.id])
        await take(world, Turn(endpoint.id, EVERY), Turn(gone.id, EVERY))
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=NOW))
        await world.store.write(DeleteApplication(organization=ORG, ref=gone.id, now=NOW))
        while await world.store.write(CancelDeliveries(now=NOW + HOUR, limit=100)):
            pass
        while await world.store.write(Erase(now=NOW + HOUR, before=NOW + HOUR, old=NOW + 2 * HOUR, limit=100)):
            pass

    check(stores, story)
    assert naming(tables(), *idents) == {}
