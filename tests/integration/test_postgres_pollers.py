"""Several processes mint ids and commit in any order: who reads in the order of ids skips none of them."""

import asyncio

import asyncpg
import pytest

from hookwright.clock import SystemClock
from hookwright.engine import pollers
from hookwright.engine.pollers import Wanted, beginning, read
from hookwright.store.pollers import FindHorizon
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import ORG, World

INSERT = """
insert into messages (application, id, organization, event_type, created_at, content_expires_at)
values ($1, $2, $3, 'a.b', $4, $4)"""
ANOTHER_PROCESS = {"application_name": "hookwright another"}


def test_a_message_that_is_committed_after_a_later_one_is_not_skipped(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pollers, "SETTLING_MS", 0)

    async def story() -> None:
        clock = SystemClock()
        async with open_store(database, now=clock.now()) as store:
            world = World(store)
            world.now = clock.now()
            await world.application()
            endpoint = await world.endpoint(kind="poller", url="")
            another = await asyncpg.connect(database, server_settings=ANOTHER_PROCESS)
            transaction = another.transaction()
            await transaction.start()
            await another.execute("select 1")
            slow, at = world.mint.mint_timed("msg", clock.now())
            await another.execute(INSERT, world.app, slow, ORG, at)
            world.now = clock.now() + 4
            quick = (await world.message()).id
            assert quick > slow

            async def found() -> list[str]:
                polled = await read(store, endpoint, Wanted(position=beginning(endpoint), limit=9))
                return [one.message.id for one in polled.data]

            assert await found() == [], "what is there already is not read while something smaller may come"
            await transaction.commit()
            while clock.now() < world.now + 4:
                pass
            assert await found() == [slow, quick]
            await another.close()

    asyncio.run(story())


def test_only_what_may_write_messages_holds_readers_back(database: str) -> None:
    async def story() -> None:
        clock = SystemClock()
        async with open_store(database, now=clock.now()) as store:
            foreign = await asyncpg.connect(database, server_settings={"application_name": "a long report"})
            ours = await asyncpg.connect(database, server_settings=ANOTHER_PROCESS)

            async def horizon() -> int:
                found = await store.read(FindHorizon(settling_ms=0))
                assert found is not None
                return found

            async with foreign.transaction():
                await foreign.execute("select 1")
                began = await horizon()
                async with ours.transaction():
                    await ours.execute("select 1")
                    held = await horizon()
                    assert held >= began, "the report began earlier"
                    assert await horizon() == held == await horizon()
                assert await horizon() > held
            await foreign.close()
            await ours.close()

    asyncio.run(story())
