"""The days of the partitioned tables, on a real PostgreSQL: made early and dropped late, and nobody waits for either."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from hookwright import ids
from hookwright.domain.deliveries import State
from hookwright.store.deliveries import Forget
from hookwright.store.retention import Maintain
from hookwright.stores.postgres.old_days import MOVED, MOVED_ROWS, PATIENCE_MS
from hookwright.stores.postgres.partitions import AHEAD, DAY_MS, TABLES, make_days
from hookwright.stores.postgres.store import PostgresStore, open_store
from tests.conformance.makers import NOW, OWNER, World

DAYS = 1 + 1 + AHEAD
"""Yesterday, today and those ahead: what a start makes of each table."""
LATER = NOW + 91 * DAY_MS
"""Contents of now have expired."""


def on(database: str, story: Callable[[PostgresStore, Any], Awaitable[None]]) -> None:
    """Run a story with a store, and a connection beside it."""

    async def run() -> None:
        async with open_store(database, now=NOW) as store, beside(database) as connection:
            await story(store, connection)

    asyncio.run(run())


@asynccontextmanager
async def beside(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def days(connection: Any, table: str) -> set[str]:
    rows = await connection.fetch("select inhrelid::regclass::text from pg_inherits where inhparent = to_regclass($1)", table)
    return {row[0] for row in rows} - {f"{table}_other"}


def test_a_day_of_which_something_came_before_its_time_keeps_no_other_from_being_made(database: str) -> None:
    async def story(_: PostgresStore, connection: Any) -> None:
        early = f"msg_{ids.floor(NOW + 9 * DAY_MS)}"
        await connection.execute("insert into contents values ($1, 'text/plain', 'x', 0) on conflict do nothing", early)
        await make_days(connection, NOW + 9 * DAY_MS)
        assert await connection.fetchval("select body from contents where message = $1", early) == b"x"
        assert len(await days(connection, "contents")) == 2 * DAYS - 1
        assert len(await days(connection, "messages")) == 2 * DAYS

    on(database, story)
    on(database, story)  # and a start is none the worse


def test_processes_that_start_and_tidy_at_once_make_and_drop_each_day_once(database: str) -> None:
    async def run() -> None:
        async with beside(database) as connection:
            stores = [open_store(database, now=NOW) for _ in range(3)]
            opened = await asyncio.gather(*[store.__aenter__() for store in stores])
            assert [len(await days(connection, table)) for table in TABLES] == [DAYS] * len(TABLES)
            wanted = [2 * DAYS - 4] * len(TABLES)
            for n in range(100):  # each leaves to the others what they are at
                now = LATER + n * PATIENCE_MS
                await asyncio.gather(*[store.write(Maintain(now=now, before=NOW + 3 * DAY_MS)) for store in opened])
                if [len(await days(connection, table)) for table in TABLES] == wanted:
                    break
            assert [len(await days(connection, table)) for table in TABLES] == wanted
            for store in stores:
                await store.__aexit__(None, None, None)

    asyncio.run(run())


def test_who_reads_a_table_for_long_is_not_waited_for_and_keeps_nobody_waiting(database: str) -> None:
    """The days are changed another time; forgetting, and who accepts messages, go on."""

    async def story(store: PostgresStore, connection: Any) -> None:
        world = World(store)
        await world.application()
        async with beside(database) as reader, reader.transaction():
            await reader.fetch("select from messages")
            await reader.fetch("select from contents")
            assert not await store.write(Maintain(now=LATER, before=NOW + DAY_MS))
            assert len(await days(connection, "messages")) < 2 * DAYS  # attaching waits for the table of what lies in no day
            await world.message()
            await store.write(Forget(now=LATER, limit=9))
        while await store.write(Maintain(now=LATER + PATIENCE_MS, before=NOW + DAY_MS)):
            pass
        assert [len(await days(connection, table)) for table in TABLES] == [2 * DAYS - 2] * len(TABLES)

    on(database, story)


def test_a_day_that_was_busy_is_tried_again_after_minutes_and_not_before(database: str) -> None:
    """Each try stops everybody who accepts messages for as long as it waits."""

    async def story(store: PostgresStore, connection: Any) -> None:
        async with beside(database) as reader, reader.transaction():
            await reader.fetch("select from contents")
            await store.write(Maintain(now=LATER, before=NOW + DAY_MS))
        assert not await store.write(Maintain(now=LATER + PATIENCE_MS - 1, before=NOW + DAY_MS))
        assert "contents_20241003" in await days(connection, "contents")
        assert await store.write(Maintain(now=LATER + PATIENCE_MS, before=NOW + DAY_MS))
        assert "contents_20241003" not in await days(connection, "contents")

    on(database, story)


def test_what_is_being_sent_again_is_seen_before_its_day_goes(database: str) -> None:
    """A round that is committed while the day's table is waited for is live: its message stays (P2)."""

    async def story(store: PostgresStore, connection: Any) -> None:
        world = World(store)
        await world.application()
        endpoint = await world.endpoint()
        message = await world.message()
        await connection.execute("delete from contents")
        async with beside(database) as sender:
            adding = sender.transaction()
            await adding.start()
            await sender.fetch("select from messages where id = $1", message.id)
            await sender.execute(
                "insert into deliveries (endpoint, message, round, application, organization, trigger, attempts, due_at, owner, created_at)"
                " values ($1, $2, 1, $3, 'org', 1, 0, 0, 0, 0)",
                *(endpoint.id, message.id, message.application),
            )
            while await store.write(Maintain(now=LATER, before=NOW + DAY_MS)):
                pass
            assert await connection.fetchval("select count(*) from messages_20241004") == 1
            await adding.commit()
        while await store.write(Maintain(now=LATER + PATIENCE_MS, before=NOW + DAY_MS)):
            pass
        assert await connection.fetchval("select count(*) from messages_other where id = $1", message.id) == 1
        assert "messages_20241004" not in await days(connection, "messages")

    on(database, story)


async def maintain(store: PostgresStore) -> None:
    """Whatever can go of the days before the third after now."""
    while await store.write(Maintain(now=LATER, before=NOW + 3 * DAY_MS)):
        pass


MORE_LIVE = """
insert into deliveries (endpoint, message, round, application, organization, trigger, attempts, due_at, owner, created_at)
select endpoint, left(message, -5) || lpad(n::text, 5, '0'), round, application, organization, trigger, attempts, due_at, owner, created_at
from deliveries, generate_series(1, $1) as n"""
"""As if there were so many messages more like the one that there is."""


def test_a_day_with_many_live_messages_stays_whole_and_the_next_one_goes(database: str) -> None:
    async def story(store: PostgresStore, connection: Any) -> None:
        world = World(store)
        await world.application()
        endpoint = await world.endpoint()
        world.now = NOW + DAY_MS // 2
        message = await world.message(endpoint)
        await connection.execute("delete from contents")
        await connection.execute(MORE_LIVE, MOVED)
        await maintain(store)
        kept = {name for name in await days(connection, "messages") if name < "messages_202411"}
        assert kept == {"messages_20241004", *(f"messages_202410{day:02}" for day in range(7, 4 + AHEAD + 1))}
        assert await connection.fetchval("select count(*) from messages where id = $1", message.id) == 1

    on(database, story)


@pytest.mark.parametrize("why", ["many live messages", "a content"])
def test_while_a_day_stays_whole_the_attempts_that_ended_later_stay_too(database: str, why: str) -> None:
    async def story(store: PostgresStore, connection: Any) -> None:
        world = World(store)
        await world.application()
        endpoint = await world.endpoint()
        world.now = NOW + DAY_MS // 2
        message = await world.message(endpoint)
        world.now += DAY_MS
        await connection.execute("insert into nodes (epoch, started_at, seen_at) overriding system value values ($1, 0, 0)", OWNER)
        await world.attempt(message, endpoint, State.PENDING, due_at=NOW)
        if why == "many live messages":
            await connection.execute("delete from contents")
            await connection.execute(MORE_LIVE, MOVED)
        await maintain(store)
        assert await connection.fetchval("select count(*) from attempts where message = $1", message.id) == 1
        await connection.execute("delete from contents")
        await connection.execute("delete from deliveries where message <> $1", message.id)
        await maintain(store)
        assert await connection.fetchval("select count(*) from attempts_other where message = $1", message.id) == 1
        assert "attempts_20241005" not in await days(connection, "attempts")

    on(database, story)


@pytest.mark.parametrize(("endpoints", "goes"), [(MOVED * 2, True), (MOVED_ROWS + 1, False)])
def test_a_message_to_thousands_of_endpoints_keeps_no_day_unless_its_rows_are_very_many(database: str, endpoints: int, goes: bool) -> None:
    async def story(store: PostgresStore, connection: Any) -> None:
        world = World(store)
        await world.application()
        message = await world.message(await world.endpoint())
        await connection.execute("delete from contents")
        await connection.execute(
            "insert into outcomes (endpoint, message, round, application, organization, trigger, state, attempts, ended_at)"
            " select 'ep_' || n, $1, 0, $2, 'org', 0, 0, 1, 0 from generate_series(1, $3) as n",
            *(message.id, message.application, endpoints),
        )
        await maintain(store)
        assert ("outcomes_20241004" not in await days(connection, "outcomes")) is goes
        assert await connection.fetchval("select count(*) from outcomes where message = $1", message.id) == endpoints
        assert "outcomes_20241005" not in await days(connection, "outcomes")

    on(database, story)
