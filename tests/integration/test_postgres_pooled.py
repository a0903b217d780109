"""Behind a pooler in transaction mode: two processes whose statements share its connections do not get into each other's way."""

import asyncio
from collections.abc import Iterator

import pytest

from hookwright.domain.deliveries import State
from hookwright.store.nodes import OpenNode
from hookwright.store.pollers import FindHorizon
from hookwright.stores.postgres.connections import Address
from hookwright.stores.postgres.store import open_store
from tests.conformance.deliveries import claim, settle, settlement
from tests.conformance.makers import HOUR, NOW, World
from tests.pgbouncer import running_pgbouncer
from tests.postgres import Postgres

ROUNDS = 30


@pytest.fixture
def url(postgres: Postgres, database: str) -> Iterator[str]:
    with running_pgbouncer(postgres) as port:
        yield postgres.url(database.rpartition("/")[2], port=port)


def test_two_processes_create_claim_and_settle_at_the_same_time(url: str) -> None:
    async def process(world: World) -> None:
        endpoint = await world.endpoint()
        owner = await world.store.write(OpenNode(now=NOW))

        async def create() -> None:
            for _ in range(ROUNDS):
                await world.message(endpoint)
                world.now += 1000

        async def deliver() -> None:
            settled = 0
            while settled < ROUNDS:
                rows = (await claim(world, endpoint, owner=owner)).claimed
                settled += len(rows)
                ends = [settlement(world, row.delivery, State.SUCCESS) for row in rows]
                assert all(await settle(world, *ends))

        await asyncio.gather(create(), deliver())
        assert await world.under_way() == 0

    async def story() -> None:
        async with open_store(url, pooled=True, now=NOW) as one, open_store(url, pooled=True, now=NOW) as two:
            worlds = [World(one), World(two)]
            for n, world in enumerate(worlds):
                world.now += n * HOUR  # so that their ids differ
                await world.application()
            await asyncio.gather(*map(process, worlds))

    asyncio.run(story())


def test_a_transaction_of_another_process_holds_readers_back_behind_the_pooler_too(url: str) -> None:
    async def story() -> None:
        another = await Address(url, pooled=True).connect()
        async with open_store(url, pooled=True, now=NOW) as store:
            horizon = FindHorizon(settling_ms=0)
            async with another.transaction():
                await another.execute("select 1")
                held = await store.read(horizon)
                assert held == await store.read(horizon) == await store.read(horizon)
            now = await store.read(horizon)
            assert held is not None and now is not None and now > held
        await another.close()

    asyncio.run(story())
