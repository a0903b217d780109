"""A slice of a task reads as little of many days as of one, whatever PostgreSQL guessed of days that were empty then."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
import pytest

from hookwright.domain.tasks import Kind, Selection
from hookwright.store.tasks import LookAhead
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.store import open_store
from hookwright.stores.sql import replays
from hookwright.stores.sql.db import Db
from tests.conformance.makers import NOW, World

DAY = 86_400_000
DAYS = 2
PER_DAY = 5_000
LIMIT = 20
TIMES = 7
"""After so many a connection keeps its plan, which was made of empty days."""
READ = "select coalesce(sum(seq_tup_read), 0) + coalesce(sum(idx_tup_fetch), 0) from pg_stat_xact_user_tables"
FILL = """
with made as (select n, left($2, -5) || lpad(n::text, 5, '0') as id from generate_series(1, $1) as n),
     kept as (insert into messages (application, id, organization, event_type, created_at, content_expires_at)
              select m.application, made.id, m.organization, m.event_type, m.created_at, m.content_expires_at
              from made cross join messages m where m.id = $2 returning 1),
     held as (insert into contents (message, content_type, body, expires_at)
              select made.id, c.content_type, c.body, c.expires_at
              from made cross join contents c where c.message = $2 returning 1)
insert into outcomes (endpoint, message, round, application, organization, trigger, state, attempts, ended_at)
select $3, made.id, 0, $4, 'org_test', 0, 0, 1, 0 from made
"""


@pytest.mark.parametrize("kind", [Kind.BULK, Kind.MISSING])
def test_a_slice_reads_as_much_as_it_looks_at(database: str, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    monkeypatch.setattr(replays, "COUNT_UP_TO", LIMIT)

    async def story() -> None:
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            connection = await asyncpg.connect(database)
            selection = Selection(since=NOW, until=NOW + DAYS * DAY)
            query = LookAhead(kind=kind, application=world.app, endpoint=endpoint.id, selection=selection, limit=LIMIT)

            async def looking(db: Db) -> None:
                await replays.look_ahead(db, query)

            async def counting(db: Db) -> None:
                await replays.count(db, endpoint, kind, selection)

            for _ in range(TIMES):
                assert await read(connection, looking) + await read(connection, counting) <= LIMIT
            for day in range(DAYS):
                world.now = NOW + day * DAY
                message = await world.message()
                await connection.execute(FILL, PER_DAY, message.id, endpoint.id, world.app)
            assert await read(connection, looking) <= 30 * LIMIT
            assert await read(connection, counting) <= 30 * LIMIT
            await connection.close()

    asyncio.run(story())


async def read(connection: Any, asking: Callable[[Db], Awaitable[None]]) -> int:
    """How many rows it fetched."""
    async with connection.transaction():
        before = await connection.fetchval(READ)
        await asking(cast(Db, PostgresDb(connection)))
        return int(await connection.fetchval(READ) - before)
