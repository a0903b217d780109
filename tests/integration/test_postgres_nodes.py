"""Nodes that are ended: nothing that they do afterwards counts (P4), and what they held is delivered by others (P3)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import State
from hookwright.engine.membership import Membership
from hookwright.engine.services import Services
from hookwright.errors import StoreUnavailable
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.store import Store
from hookwright.store.nodes import CloseNode, OpenNode, RenewLease, TakeOver
from hookwright.stores.postgres import connections
from hookwright.stores.postgres.store import open_store
from hookwright.vault import Vault
from tests.conformance.deliveries import attempts, claim, settle, settlement
from tests.conformance.makers import World
from tests.dispatchers import dispatcher_of
from tests.integration.engines import Held, Recorder, accept, endpoint_of

LONG = 60.0


def check(database: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_store(database, now=SystemClock().now()) as store:
            world = World(store)
            world.now = SystemClock().now()
            await world.application()
            await story(world)

    asyncio.run(run())


@asynccontextmanager
async def engine(store: Store, recorder: Recorder, lease: float | None = None) -> AsyncIterator[Services]:
    async with run_engine(store, recorder, Vault({"k1": bytes(32)}, "k1", bytes), EngineOptions(lease=lease)) as services:
        yield services


def test_an_ended_node_can_neither_create_nor_claim_nor_settle(database: str) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        ended, other = await world.store.write(OpenNode(now=0)), await world.store.write(OpenNode(now=0))
        await world.message(endpoint)
        (row,) = (await claim(world, endpoint, owner=ended)).claimed
        await world.message(endpoint)
        assert await world.store.write(TakeOver(owner=other)) == 1
        with pytest.raises(StoreUnavailable):
            await world.message(endpoint, owner=ended)
        with pytest.raises(StoreUnavailable):
            await claim(world, endpoint, owner=ended)
        assert await settle(world, settlement(world, row.delivery, State.SUCCESS)) == [False]
        assert not await world.store.write(RenewLease(owner=ended, within=5))
        assert len((await claim(world, endpoint, owner=other)).claimed) == 2

    check(database, story)


SLOW_FREEING = """
create function wait_a_moment() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return new; end $$;
create trigger wait before update on deliveries for each row execute function wait_a_moment()
"""
STUCK_FREEING = """
create function stand_still() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
create trigger stand before update on deliveries for each row execute function stand_still()
"""


def test_what_a_dead_node_held_is_freed_however_long_that_takes(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        monkeypatch.setitem(connections.SESSION, "statement_timeout", "300ms")  # from here on: what came before may take its time
        monkeypatch.setattr(connections, "COMMAND_SECONDS", 0.5)
        dead, other = await world.store.write(OpenNode(now=0)), await world.store.write(OpenNode(now=0))
        await world.message(endpoint, owner=dead)
        await execute(database, SLOW_FREEING)
        assert await world.store.write(TakeOver(owner=other)) == 1
        await world.message(endpoint, owner=other)
        with pytest.raises(StoreUnavailable):  # a stop has no such patience
            await world.store.write(CloseNode(owner=other))

    check(database, story)


def test_a_stop_waits_for_a_take_over_that_does_not_end_only_so_long(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.SESSION, "lock_timeout", "0")

    async def story() -> None:
        blocking = await asyncpg.connect(database)
        async with open_store(database, now=SystemClock().now()) as store:
            dead, other = await store.write(OpenNode(now=0)), await store.write(OpenNode(now=0))
            world = World(store)
            await world.application()
            await world.message(await world.endpoint(), owner=dead)
            await execute(database, STUCK_FREEING)
            await blocking.execute("select pg_advisory_lock(1)")
            taking = asyncio.ensure_future(store.write(TakeOver(owner=other)))
            while not await blocking.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
                pass
            monkeypatch.setattr(connections, "COMMAND_SECONDS", 0.5)  # from here on: all that came before may take its time
        with pytest.raises(StoreUnavailable):
            await taking
        await blocking.close()

    asyncio.run(story())


async def execute(database: str, script: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(script)
    await connection.close()


def test_two_owners_in_one_group_are_each_fenced_by_their_own_node(database: str) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        ended, other = await world.store.write(OpenNode(now=0)), await world.store.write(OpenNode(now=0))
        await world.store.write(TakeOver(owner=other))
        made = await asyncio.gather(*(world.message(endpoint, owner=owner) for owner in (ended, other)), return_exceptions=True)
        assert isinstance(made[0], StoreUnavailable)
        assert await world.under_way() == 1

    check(database, story)


def test_what_a_node_held_that_is_gone_is_delivered_by_another_engine(database: str) -> None:
    async def story(world: World) -> None:
        dead = await world.store.write(OpenNode(now=0))
        recorder = Recorder()
        async with engine(world.store, recorder, lease=1.0) as services:
            endpoint = await endpoint_of(world, services)
            await world.message(endpoint, body=b"left behind", owner=dead)
            assert await asyncio.wait_for(recorder.sent.get(), LONG) == b"left behind"

    check(database, story)


def test_a_process_that_was_silent_for_its_lease_settles_nothing_and_goes_on_as_a_new_node(database: str) -> None:
    async def story(world: World) -> None:
        recorder = Held()
        async with engine(world.store, recorder) as services:
            endpoint = await endpoint_of(world, services)
            membership = Membership(store=world.store, dispatcher=dispatcher_of(services), clock=SystemClock(), lease_ms=3_600_000)
            ended = services.dispatcher.owner
            await accept(services, b"first", world.app)
            await asyncio.wait_for(recorder.sent.get(), LONG)
            other = await world.store.write(OpenNode(now=0))
            assert await world.store.write(TakeOver(owner=other)) == 1
            world.now = SystemClock().now()
            (row,) = (await claim(world, endpoint, owner=other)).claimed
            assert row.message is not None
            recorder.answers.set()
            await membership.beat()
            assert services.dispatcher.owner > other > ended
            await accept(services, b"second", world.app)
            assert await asyncio.wait_for(recorder.sent.get(), LONG) == b"second"
        assert await attempts(world, row.message) == []
        assert await settle(world, settlement(world, row.delivery, State.SUCCESS)) == [True]
        assert len(await attempts(world, row.message)) == 1
        assert await world.under_way() == 0

    check(database, story)
