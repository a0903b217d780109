"""The days of the partitioned tables, on a real PostgreSQL."""

import asyncio

import asyncpg

from hookwright import ids
from hookwright.stores.postgres.partitions import DAY_MS, make_days
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import NOW


def test_a_day_of_which_something_came_before_its_time_keeps_no_other_from_being_made(database: str) -> None:
    async def run() -> None:
        async with open_store(database, now=NOW):
            connection = await asyncpg.connect(database)
            early = f"msg_{ids.floor(NOW + 5 * DAY_MS)}"
            await connection.execute("insert into contents values ($1, 'text/plain', 'x', 0)", early)
            await make_days(connection, NOW + 5 * DAY_MS)
            assert await connection.fetchval("select body from contents where message = $1", early) == b"x"
            rows = await connection.fetch("select inhrelid::regclass::text from pg_inherits where inhparent = 'contents'::regclass")
            days = {row[0] for row in rows}
            assert len(days) == 1 + 5 + 5 - 1  # the one for all others, five and then four more: not the day that had begun
            await connection.close()
        async with open_store(database, now=NOW + 5 * DAY_MS):  # and a start is none the worse
            pass

    asyncio.run(run())
