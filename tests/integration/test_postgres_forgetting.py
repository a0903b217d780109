"""Forgetting on a real PostgreSQL, beside other processes."""

import asyncio
from typing import Any

import asyncpg
import pytest

from hookwright.errors import BadRequest
from hookwright.store.deliveries import Forget
from hookwright.stores.postgres.retention import LOCK
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import NOW, World


def test_a_payload_that_is_sent_again_at_this_moment_is_not_forgotten_and_one_that_is_forgotten_is_not_sent(database: str) -> None:
    async def story() -> None:
        beside = await asyncpg.connect(database)
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            message = await world.message()
            forget = Forget(now=message.content_expires_at, limit=9)
            async with beside.transaction():
                await beside.execute("select from contents for key share")
                assert await store.write(forget) == 0
            async with beside.transaction():
                await beside.execute("delete from contents")
                resending = asyncio.ensure_future(world.resend(message, endpoint))
                await blocked(beside)
            with pytest.raises(BadRequest):
                await resending
        await beside.close()

    asyncio.run(story())


async def blocked(connection: Any) -> None:
    """Until somebody waits for what another has locked."""
    async with asyncio.timeout(60):
        while not await connection.fetchval("select count(*) from pg_locks where not granted"):
            pass


def test_one_process_forgets_at_a_time(database: str) -> None:
    async def story() -> None:
        beside = await asyncpg.connect(database)
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            forget = Forget(now=(await world.message()).content_expires_at, limit=9)
            async with beside.transaction():
                await beside.execute(f"select pg_advisory_xact_lock({LOCK})")
                assert await store.write(forget) == 0
            assert await store.write(forget) == 1
        await beside.close()

    asyncio.run(story())
