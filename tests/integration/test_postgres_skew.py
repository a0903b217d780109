"""A node whose clock is ahead, on a real PostgreSQL: it erases nothing before its time, whatever it believes."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from hookwright.clock import SystemClock
from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import Forget
from hookwright.store.retention import Erase, Maintain, Place, RemoveMessages, RemoveRecords
from hookwright.stores.postgres.partitions import DAY_MS
from hookwright.stores.postgres.store import PostgresStore, open_store
from tests.conformance.makers import HOUR, ORG, World
from tests.conformance.tasks import begin
from tests.integration.postgres import asked

AHEAD = 1_000 * DAY_MS
KEPT = 90 * DAY_MS
MINUTE = 60_000


def story(database: str, tell: Callable[[PostgresStore, World], Awaitable[None]]) -> None:
    """In a world whose time is the real one."""

    async def run() -> None:
        now = SystemClock().now()
        async with open_store(database, now=now) as store:
            world = World(store)
            world.now = now
            await world.application()
            await tell(store, world)

    asyncio.run(run())


async def without_contents(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("delete from contents")
    await connection.close()


def count(database: str, table: str) -> int:
    return int(asked(database, f"select count(*) from {table}")[0][0])


def test_it_forgets_what_has_expired_and_nothing_else(database: str) -> None:
    async def tell(store: PostgresStore, world: World) -> None:
        now = world.now
        world.now = now - KEPT - HOUR
        await world.message()
        world.now = now - KEPT + HOUR
        stays = await world.message()
        while await store.write(Forget(now=now + 6 * HOUR, grace=HOUR // 2, limit=9)):
            pass
        connection = await asyncpg.connect(database)
        assert await connection.fetch("select message from contents") == [(stays.id,)]
        await connection.close()

    story(database, tell)


def test_what_was_expired_for_less_than_its_grace_stays(database: str) -> None:
    async def tell(store: PostgresStore, world: World) -> None:
        now = world.now
        world.now = now - KEPT - HOUR
        await world.message()
        assert await store.write(Forget(now=now + AHEAD, grace=2 * HOUR, limit=9)) == 0

    story(database, tell)


def test_it_drops_no_day_that_is_not_old(database: str) -> None:
    async def tell(store: PostgresStore, world: World) -> None:
        world.now -= DAY_MS
        await world.message()
        world.now += DAY_MS
        await without_contents(database)
        while await store.write(Maintain(now=world.now + AHEAD, before=world.now + AHEAD - KEPT)):
            pass

    story(database, tell)
    assert count(database, "messages") == 1


def test_it_removes_no_message_number_or_task_that_is_not_old(database: str) -> None:
    async def tell(store: PostgresStore, world: World) -> None:
        endpoint, now = await world.endpoint(), world.now
        await begin(world, endpoint)
        world.now = now - 30 * DAY_MS
        await world.message()
        connection = await asyncpg.connect(database)
        await connection.execute("insert into counters (endpoint, hour, slot) values ($1, $2, 0)", endpoint.id, now // HOUR)
        await connection.execute("update tasks set done_at = $1", now)
        await connection.close()
        await without_contents(database)
        place: Place | None = Place()
        while place is not None:
            place = await store.write(RemoveMessages(now=now + AHEAD, before=now + AHEAD - KEPT, after=place, limit=9))
        assert await store.write(RemoveRecords(now=now + AHEAD, before=now + AHEAD - KEPT, limit=9)) == 0

    story(database, tell)
    assert [count(database, table) for table in ("messages", "counters", "tasks")] == [1, 1, 1]


def test_it_erases_no_application_that_was_deleted_just_now(database: str) -> None:
    async def tell(store: PostgresStore, world: World) -> None:
        await store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        assert await store.write(Erase(now=world.now + HOUR, before=world.now + HOUR - MINUTE, old=None, limit=9)) == 0

    story(database, tell)
    assert count(database, "applications") == 1
