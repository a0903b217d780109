"""Ordered endpoints and several processes on one PostgreSQL: one order of commits, one holder, no waiting in a circle."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import asyncpg
import msgspec
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import Delivery, State
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.ids import Minter
from hookwright.store import Command, Store
from hookwright.store.deliveries import ClaimDue, Resend
from hookwright.store.endpoints import UpdateEndpoint
from hookwright.store.messages import CreateMessages
from hookwright.store.nodes import OpenNode
from hookwright.store.tasks import ContinueTasks
from hookwright.stores.postgres import messages as postgres_messages
from hookwright.stores.postgres.connections import Address
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.deliveries import claim_due
from hookwright.stores.postgres.store import open_store
from hookwright.stores.sql.items import Asked
from tests.conformance.deliveries import claim, settle, settlement
from tests.conformance.makers import World
from tests.conformance.tasks import RATE, begin
from tests.conformance.test_order import creation

ORDERED = Options(ordered=True)
HOUR = 3_600_000
READ_WHOLE = "select relname from pg_stat_xact_user_tables where seq_scan > 0"


def check(database: str, story: Callable[[World, World], Awaitable[None]]) -> None:
    """Run a story in a world that two processes share."""

    async def run() -> None:
        now = SystemClock().now()
        async with open_store(database, now=now) as one, open_store(database, now=now) as two:
            worlds = World(one), World(two)
            await worlds[0].application()
            for number, world in enumerate(worlds):
                world.app, world.now = worlds[0].app, now
                world.mint = _minter(number)
            await story(*worlds)

    asyncio.run(run())


def _minter(number: int) -> Minter:
    """Of ids that no other process makes."""
    ticks = count(number, 2)
    return Minter(lambda size: next(ticks).to_bytes(size, "big"))


async def node(store: Store) -> int:
    return await store.write(OpenNode(now=0))


async def in_order(world: World, endpoint: Endpoint, owner: int) -> list[Delivery]:
    """All of its deliveries, as they are claimed; each batch ends before the next is claimed."""
    seen: list[Delivery] = []
    while True:
        rows = await claim(world, endpoint, owner=owner, ordered=True)
        if not rows.claimed:
            return seen
        deliveries = [one.delivery for one in rows.claimed]
        assert all(await settle(world, *(settlement(world, each, State.SUCCESS) for each in deliveries)))
        seen += deliveries


def test_two_processes_that_accept_for_the_same_endpoints_make_one_order_and_do_not_wait_in_a_circle(database: str) -> None:
    async def story(one: World, two: World) -> None:
        endpoints = [await one.endpoint(options=ORDERED) for _ in range(3)]
        failed = await one.message(endpoints[2])
        owner = await node(one.store)
        (row,) = (await claim(one, endpoints[2], owner=owner, ordered=True)).claimed
        await settle(one, settlement(one, row.delivery, State.FAIL))
        waves: list[set[str]] = []
        for _ in range(6):
            commands = [
                creation(world, *(endpoints if n % 2 else reversed(endpoints)), at=world.now - n) for world in (one, two) for n in range(8)
            ]
            batches = [creation(world, *endpoints[::-1], at=world.now) for world in (one, two)]
            await begin(one, endpoints[2], since=one.now - HOUR, until=one.now + HOUR, task=f"qtask_{len(waves)}")
            writes: list[Awaitable[Any]] = [
                *(world.store.write(command) for world, command in zip([one] * 8 + [two] * 8, commands, strict=True)),
                *(world.store.write(CreateMessages(messages=(batch,))) for world, batch in zip((one, two), batches, strict=True)),
                two.store.write(ContinueTasks(now=two.now, limit=10, rate=RATE)),
            ]
            await asyncio.gather(*writes)
            waves.append({command.message.id for command in (*commands, *batches)})
        for endpoint in endpoints:
            seen = [each.key.message for each in await in_order(two, endpoint, await node(two.store)) if each.key.message != failed.id]
            assert [set(seen[n : n + 18]) for n in range(0, len(seen), 18)] == waves

    check(database, story)


def test_who_claims_waits_for_who_is_being_accepted_and_finds_it(database: str) -> None:
    """Else it would begin with a message whose predecessor is committed a moment later."""

    async def story(one: World, two: World) -> None:
        endpoint = await one.endpoint(options=ORDERED)
        owner = await node(two.store)
        first = creation(one, endpoint)
        connection = await Address(database).connect()
        async with connection.transaction():
            await postgres_messages.create(connection, [Asked(first)])
            later = asyncio.ensure_future(one.message(endpoint))
            claiming = asyncio.ensure_future(in_order(two, endpoint, owner))
            while await waiting(database) < 2:
                pass
        message = await later
        seen = [each.key.message for each in await claiming]
        seen += [each.key.message for each in await in_order(two, endpoint, owner)]
        assert seen == [first.message.id, message.id]
        await connection.close()

    check(database, story)


async def waiting(database: str) -> int:
    """How many sessions wait for a lock."""
    connection = await asyncpg.connect(database)
    try:
        return int(await connection.fetchval("select count(*) from pg_locks where not granted"))
    finally:
        await connection.close()


class Beaten:
    """A connection whose next statements are the ones that a deadlock is resolved with."""

    def __init__(self, connection: Any, times: int) -> None:
        self._connection, self._left = connection, times

    async def fetchrow(self, *asked: Any) -> Any:
        self._left -= 1
        if self._left >= 0:
            raise asyncpg.DeadlockDetectedError("somebody locks the other way round")
        return await self._connection.fetchrow(*asked)


def test_a_deadlock_with_who_locks_the_other_way_round_costs_no_message_unless_it_never_ends(database: str) -> None:
    async def story(one: World, _: World) -> None:
        endpoint = await one.endpoint(options=ORDERED)
        connection = await Address(database).connect()
        (asked,) = [Asked(creation(one, endpoint))]
        await postgres_messages.create(Beaten(connection, postgres_messages.TRIES), [asked])
        assert asked.result is not None
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await postgres_messages.create(Beaten(connection, postgres_messages.TRIES + 1), [Asked(creation(one, endpoint))])
        await connection.close()
        assert len(await in_order(one, endpoint, await node(one.store))) == 1

    check(database, story)


TAKE = "update endpoint_positions set next = next + 1 where endpoint = $1"
BLOCKED = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


async def beside_takers(database: str, endpoint: Endpoint, work: Awaitable[Any]) -> Any:
    """What comes of `work` while somebody always has taken a place and not committed yet, and another waits for that."""
    watch, *takers = [await asyncpg.connect(database) for _ in range(3)]
    held = takers[0].transaction()
    await held.start()
    await takers[0].execute(TAKE, endpoint.id)
    asked = asyncio.ensure_future(work)
    while not asked.done():
        takers.reverse()
        following = takers[0].transaction()
        await following.start()
        taking = asyncio.ensure_future(takers[0].execute(TAKE, endpoint.id))
        while not asked.done() and await watch.fetchval(BLOCKED) < 2:
            pass
        await held.commit()
        await taking
        held = following
    await held.commit()
    for connection in (watch, *takers):
        await connection.close()
    return await asked


@pytest.mark.parametrize("kind", ["resend", "batch", "task", "order no more"])
def test_who_reads_before_it_takes_a_place_gets_one_however_many_others_take_theirs_at_once(database: str, kind: str) -> None:
    async def story(one: World, _: World) -> None:
        endpoint = await one.endpoint(options=ORDERED)
        message, owner = await one.message(endpoint), await node(one.store)
        (row,) = (await claim(one, endpoint, owner=owner, ordered=True)).claimed
        await settle(one, settlement(one, row.delivery, State.FAIL))
        await begin(one, endpoint, since=one.now - HOUR, until=one.now + HOUR)
        commands: dict[str, Command[Any]] = {
            "resend": Resend(application=one.app, endpoint=endpoint.id, message=message.id, now=one.now),
            "batch": CreateMessages(messages=(creation(one, endpoint),)),
            "task": ContinueTasks(now=one.now, limit=10, rate=RATE),
            "order no more": UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, options=Options())),
        }
        async with asyncio.timeout(60):
            await beside_takers(database, endpoint, one.store.write(commands[kind]))

    check(database, story)


def test_an_order_is_kept_without_reading_a_table_as_a_whole(database: str) -> None:
    async def story(one: World, _: World) -> None:
        endpoint, owner = await one.endpoint(options=ORDERED), await node(one.store)
        connection = await Address(database).connect()
        async with connection.transaction():
            await postgres_messages.create(connection, [Asked(creation(one, endpoint)) for _ in range(20)])
            command = ClaimDue(endpoint=endpoint.id, owner=owner, now=one.now + 1, limit=8, most_bytes=2**20, ordered=True)
            rows = await claim_due(PostgresDb(connection), command)
            assert len(rows.claimed) == 8
            assert not await connection.fetch(READ_WHOLE)
        await connection.close()

    check(database, story)
