"""A node keeps its lease whatever else hangs, loses it when the database cannot be reached, and delivers nothing without one."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from hookwright.clock import SystemClock, elapsed
from hookwright.config import Settings
from hookwright.engine.membership import Membership
from hookwright.engine.services import Services
from hookwright.errors import StoreUnavailable
from hookwright.runtime.database import open_database
from hookwright.runtime.engine import SYSTEM, Chance, EngineOptions, run_engine
from hookwright.store import Store
from hookwright.store.deliveries import DueEndpoints
from hookwright.store.endpoints import LoadEndpoint
from hookwright.store.nodes import OpenNode, RenewLease, TakeOver
from hookwright.stores.postgres.store import PostgresStore, open_store
from hookwright.vault import Vault
from tests.conformance.makers import World
from tests.dispatchers import dispatcher_of
from tests.harness import SECRET
from tests.integration.engines import Held, Recorder, accept, endpoint_of
from tests.integration.test_postgres_news import KEY
from tests.postgres import Postgres
from tests.proxy import Proxy, proxied
from tests.waiting import until

LONG = 60.0
LEASE = 3.0
NEVER_MS = 3_600_000
RENEWAL = b"set seen_at"


@pytest.fixture
def database(postgres: Postgres) -> Postgres:
    postgres.execute("drop database if exists leases with (force)", "create database leases")
    return postgres


@asynccontextmanager
async def reached(database: Postgres) -> AsyncIterator[tuple[World, Proxy]]:
    """A world whose store is reached through a proxy."""
    async with (
        proxied(database.port) as (proxy, port),
        open_store(database.url("leases", port=port), now=SystemClock().now()) as store,
    ):
        yield await world_of(store), proxy
        proxy.deliver()


@pytest.mark.parametrize(("lease", "most"), [(2.0, "2s"), (10.0, "5s")])
def test_a_transaction_that_is_left_alone_ends_with_its_nodes_lease(database: Postgres, lease: float, most: str) -> None:
    async def story() -> None:
        settings = Settings.load(database=database.url("leases"), lease=lease, jwt_secret=SECRET, encryption_keys=KEY)
        async with open_database(settings) as store:
            async with cast(PostgresStore, store)._changes.one() as line:
                shown = await line.use(lambda connection: connection.fetchval("show idle_in_transaction_session_timeout"))
            assert shown == most

    asyncio.run(story())


@asynccontextmanager
async def directly(database: Postgres) -> AsyncIterator[PostgresStore]:
    async with open_store(database.url("leases"), now=SystemClock().now()) as store:
        yield store


@asynccontextmanager
async def engine(store: Store, recorder: Recorder, *, chance: Chance = SYSTEM) -> AsyncIterator[Services]:
    options = EngineOptions(lease=LEASE, grace=0)
    async with run_engine(store, recorder, Vault({"k1": bytes(32)}, "k1", bytes), options, chance) as services:
        yield services


class Telling:
    """A store that tells of each renewal that it made, and may never end a take-over, and wait with endpoints."""

    def __init__(self, store: Store) -> None:
        self.renewals: asyncio.Queue[int] = asyncio.Queue()
        self.hangs = False
        self.loading, self.load = asyncio.Event(), asyncio.Event()
        self.load.set()
        self._store = store

    async def write(self, command: Any, **others: Any) -> Any:
        result = await self._store.write(command, **others)
        if isinstance(command, RenewLease):
            self.renewals.put_nowait(command.owner)
        if isinstance(command, TakeOver) and self.hangs:
            await asyncio.Event().wait()
        return result

    async def read(self, query: Any) -> Any:
        if isinstance(query, LoadEndpoint):
            self.loading.set()
            await self.load.wait()
        return await self._store.read(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_lease_is_renewed_while_every_other_connection_hangs(database: Postgres) -> None:
    async def story() -> None:
        async with reached(database) as (world, proxy):
            proxy.spared = RENEWAL
            owner = await world.store.write(OpenNode(now=0))
            assert await world.store.write(RenewLease(owner=owner, within=LONG))
            proxy.swallow()
            hanging = [asyncio.ensure_future(world.store.read(LoadEndpoint(id=str(n)))) for n in range(20)]
            hanging += [asyncio.ensure_future(world.store.write(OpenNode(now=0))) for _ in range(20)]  # type: ignore[arg-type]
            for _ in range(3):
                assert await world.store.write(RenewLease(owner=owner, within=LONG))
            assert not any(one.done() for one in hanging)
            proxy.deliver()
            await asyncio.gather(*hanging)

    asyncio.run(story())


def test_renewals_go_on_while_a_take_over_does_not_end(database: Postgres) -> None:
    async def story() -> None:
        async with directly(database) as store:
            telling = Telling(store)
            telling.hangs = True
            async with engine(store, Recorder()) as services:
                membership = Membership(
                    store=cast(Store, telling), dispatcher=dispatcher_of(services), clock=SystemClock(), lease_ms=NEVER_MS
                )
                running = asyncio.create_task(membership.run())
                for _ in range(3):
                    await asyncio.wait_for(telling.renewals.get(), LONG)
                running.cancel()

    asyncio.run(story())


def test_a_renewal_without_an_answer_ends_in_time_and_the_next_has_a_new_connection(database: Postgres) -> None:
    async def story() -> None:
        async with reached(database) as (world, proxy):
            owner = await world.store.write(OpenNode(now=0))
            assert await world.store.write(RenewLease(owner=owner, within=5))
            proxy.swallow()
            began = asyncio.get_running_loop().time()
            with pytest.raises(StoreUnavailable):
                await world.store.write(RenewLease(owner=owner, within=0.2))
            assert asyncio.get_running_loop().time() - began < 10
            proxy.deliver()
            assert await world.store.write(RenewLease(owner=owner, within=5))
            proxy.reset()
            await until_renewed(world.store, owner)

    asyncio.run(story())


async def until_renewed(store: Store, owner: int) -> None:
    """The broken connection may be noticed by the first attempt only."""
    for _ in range(2):
        try:
            assert await store.write(RenewLease(owner=owner, within=5))
        except StoreUnavailable:
            continue
        return
    raise AssertionError("no new connection was made")


def test_a_node_that_reaches_no_database_sends_nothing_after_its_lease_and_begins_again(database: Postgres) -> None:
    async def story() -> None:
        cut_off, other = Held(), Recorder()
        async with reached(database) as (world, proxy), directly(database) as direct, engine(world.store, cut_off) as services:
            ended = services.dispatcher.owner
            endpoint = await endpoint_of(world, services)
            await accept(services, b"first", world.app)
            assert await asyncio.wait_for(cut_off.sent.get(), LONG) == b"first"
            lane = dispatcher_of(services)._lanes[endpoint.id]
            lane.slots = 1  # so that what comes next waits in memory
            await accept(services, b"second", world.app)
            proxy.swallow()
            async with engine(direct, other):
                assert {await asyncio.wait_for(other.sent.get(), LONG) for _ in range(2)} == {b"first", b"second"}
                cut_off.answers.set()
                await until(lambda: not lane.in_flight)
                assert cut_off.sent.empty()
                proxy.deliver()
                await until(lambda: services.dispatcher.owner > ended)
            await accept(services, b"third", world.app)
            assert await asyncio.wait_for(cut_off.sent.get(), LONG) == b"third"

    asyncio.run(story())


def test_an_attempt_whose_preparation_outlasts_the_lease_is_not_sent(database: Postgres) -> None:
    async def story() -> None:
        recorder = Recorder()
        async with directly(database) as store:
            telling = Telling(store)
            async with run_engine_without_loops(cast(Store, telling), recorder) as services:
                world = await world_of(store)
                endpoint = await endpoint_of(world, services)
                telling.load.clear()
                await accept(services, b"one", world.app)
                await asyncio.wait_for(telling.loading.wait(), LONG)
                lane = dispatcher_of(services)._lanes[endpoint.id]
                dispatcher_of(services).lease(0)
                telling.load.set()
                await until(lambda: not lane.in_flight)
                assert recorder.sent.empty()
                dispatcher_of(services).lease(elapsed() + LONG)
                assert await asyncio.wait_for(recorder.sent.get(), LONG) == b"one"

    asyncio.run(story())


def test_what_is_accepted_without_a_lease_is_nobodys_and_is_claimed_when_there_is_one_again(database: Postgres) -> None:
    async def story() -> None:
        recorder = Recorder()
        async with directly(database) as store, run_engine_without_loops(store, recorder) as services:
            world = await world_of(store)
            endpoint = await endpoint_of(world, services)
            dispatcher = dispatcher_of(services)
            dispatcher.lease(0)
            await accept(services, b"one", world.app)
            assert [due.endpoint for due in (await store.read(DueEndpoints())).due] == [endpoint.id]
            assert not dispatcher._feeder._claims
            dispatcher.lease(elapsed() + LONG)
            assert await asyncio.wait_for(recorder.sent.get(), LONG) == b"one"

    asyncio.run(story())


def test_a_machine_that_wakes_from_a_suspension_beyond_the_lease_sends_nothing_before_it_is_renewed(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop's time stood still meanwhile."""

    async def story() -> None:
        recorder = Held()
        async with directly(database) as store, run_engine_without_loops(store, recorder) as services:
            world = await world_of(store)
            endpoint = await endpoint_of(world, services)
            dispatcher = dispatcher_of(services)
            membership = Membership(store=store, dispatcher=dispatcher, clock=SystemClock(), lease_ms=round(LONG * 1000))
            await membership.beat()
            await accept(services, b"before", world.app)
            assert await asyncio.wait_for(recorder.sent.get(), LONG) == b"before"
            lane = dispatcher._lanes[endpoint.id]
            lane.slots = 1
            await accept(services, b"after", world.app)
            real = time.clock_gettime
            monkeypatch.setattr(time, "clock_gettime", lambda number: real(number) + LONG * (number == time.CLOCK_BOOTTIME))
            recorder.answers.set()
            await until(lambda: not lane.in_flight)
            assert recorder.sent.empty()
            await membership.beat()
            assert await asyncio.wait_for(recorder.sent.get(), LONG) == b"after"

    asyncio.run(story())


async def world_of(store: Store) -> World:
    world = World(store)
    world.now = SystemClock().now()
    await world.application()
    return world


@asynccontextmanager
async def run_engine_without_loops(store: Store, recorder: Recorder) -> AsyncIterator[Services]:
    async with run_engine(store, recorder, Vault({"k1": bytes(32)}, "k1", bytes), EngineOptions()) as services:
        yield services


class Jumping:
    """A clock that is set anew at each look: a day forth, a day back."""

    def __init__(self) -> None:
        self._days = itertools.cycle((1, -1))

    def now(self) -> int:
        return SystemClock().now() + next(self._days) * 24 * NEVER_MS


def test_a_clock_that_jumps_neither_ends_a_lease_nor_lengthens_it(database: Postgres) -> None:
    async def story() -> None:
        async with directly(database) as store, run_engine_without_loops(store, Recorder()) as services:
            dispatcher = dispatcher_of(services)
            membership = Membership(store=store, dispatcher=dispatcher, clock=Jumping(), lease_ms=NEVER_MS)
            owner, other = dispatcher.owner, await store.write(OpenNode(now=0))
            began = elapsed()
            for _ in range(4):
                await membership.beat()
                assert await store.write(TakeOver(owner=other, lease_ms=NEVER_MS)) == 0
                ends = dispatcher._leased_until
                assert began + NEVER_MS / 1000 <= ends <= elapsed() + NEVER_MS / 1000
            assert dispatcher.owner == owner
            connection = await asyncpg.connect(database.url("leases"))
            silent = await connection.fetchval(
                "select extract(epoch from clock_timestamp()) * 1000 - seen_at from nodes where epoch = $1", owner
            )
            await connection.close()
            assert abs(silent) < NEVER_MS

    asyncio.run(story())
