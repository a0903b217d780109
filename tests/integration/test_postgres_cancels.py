"""The deliveries of deleted endpoints are canceled by one process at a time, which waits for nobody."""

import asyncio

import asyncpg

from hookwright.store.deliveries import CancelDeliveries
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.stores.postgres.retention import CANCELING
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import NOW, World


def test_a_slice_passes_over_what_is_being_settled_and_is_left_to_whoever_is_at_it(database: str) -> None:
    async def story() -> None:
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            messages = [await world.message(endpoint) for _ in range(3)]
            await store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=NOW))
            other = await asyncpg.connect(database)
            async with other.transaction():
                await other.fetchval(f"select pg_advisory_xact_lock({CANCELING})")
                assert await store.write(CancelDeliveries(now=NOW, limit=9)) == 0
            async with other.transaction():
                await other.execute("select from deliveries where message = $1 for update", messages[0].id)
                assert await store.write(CancelDeliveries(now=NOW, limit=9)) == 2
            await other.close()
            assert await store.write(CancelDeliveries(now=NOW, limit=9)) == 1

    asyncio.run(story())
