"""What messages and attempts are written with is planned before the first of them comes."""

import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.notices import AttemptKind
from hookwright.store.deliveries import Settle
from hookwright.store.nodes import OpenNode
from hookwright.stores.postgres import deliveries, messages
from hookwright.stores.postgres.connections import Address, Line
from hookwright.stores.postgres.store import open_store
from hookwright.stores.sql.items import Asked
from tests.conformance.makers import NOW, ORG, World
from tests.integration.test_growth_writes import made, settled

PLANS = (
    "select count(*), sum(generic_plans), sum(custom_plans) from pg_prepared_statements where statement ~ 'insert into (messages|outcomes)'"
)
SESSIONS = """
select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ~ 'with node as'
"""


READ_WHOLE = "select relname from pg_stat_xact_user_tables where seq_scan > 0"


def test_a_connection_is_made_ready_and_what_is_served_with_is_connected_from_the_start(database: str) -> None:
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

    asyncio.run(story(database))


@pytest.mark.parametrize("notice", [None, "message.attempt.recovered"])
def test_what_was_planned_while_nothing_was_waiting_reads_no_table_as_a_whole(database: str, notice: AttemptKind | None) -> None:
    async def story(url: str) -> None:
        async with open_store(url, now=NOW) as store:
            world = World(store)
            await world.application()
            group = made(world.app, (await world.endpoint()).id, organization=ORG, owner=await store.write(OpenNode(now=NOW)))
            connection = await Address(url).connect()
            await messages.make_ready(connection)
            await deliveries.make_ready(connection)
            await messages.create(connection, [Asked(one) for one in group])
            results = [msgspec.structs.replace(one, notice=notice) for one in settled(group).settlements]
            assert await deliveries.settle(connection, Settle(settlements=tuple(results))) == [True] * len(group)
            assert not await connection.fetch(READ_WHOLE)
            await connection.close()

    asyncio.run(story(database))


async def _plans(connection: Any) -> tuple[int, int, int]:
    return tuple(await connection.fetchrow(PLANS))


async def _break(line: Line) -> None:
    with pytest.raises(asyncio.CancelledError):
        await line.use(_cancelled)


async def _cancelled(connection: Any) -> None:
    raise asyncio.CancelledError
