"""What messages and attempts are written with is planned before the first of them comes."""

import asyncio
from typing import Any

import pytest

from hookwright.stores.postgres import deliveries, messages
from hookwright.stores.postgres.connections import Address, Line
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import NOW
from tests.postgres import running_postgres

PLANS = (
    "select count(*), sum(generic_plans), sum(custom_plans) from pg_prepared_statements where statement ~ 'insert into (messages|outcomes)'"
)
SESSIONS = """
select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ~ 'with node as'
"""


def test_a_connection_is_made_ready_and_what_is_served_with_is_connected_from_the_start() -> None:
    async def story(url: str) -> None:
        async with open_store(url, ready=True, now=NOW):
            look = Line(Address(url))
            assert await look.use(lambda connection: connection.fetchval(SESSIONS)) == 2, "one accepts, one settles"
            await look.close()
        for make_ready, statements in ((messages.make_ready, 1), (deliveries.make_ready, 2)):
            line = Line(Address(url), make_ready)
            assert await line.use(_plans) == (statements, statements, 0)
            await _break(line)
            assert await line.use(_plans) == (statements, statements, 0), "after an outage, too"
            await line.close()

    with running_postgres() as server:
        asyncio.run(story(server.url("postgres")))


async def _plans(connection: Any) -> tuple[int, int, int]:
    return tuple(await connection.fetchrow(PLANS))


async def _break(line: Line) -> None:
    with pytest.raises(asyncio.CancelledError):
        await line.use(_cancelled)


async def _cancelled(connection: Any) -> None:
    raise asyncio.CancelledError
