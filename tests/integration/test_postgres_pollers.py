"""Several processes mint ids and commit in any order: who reads in the order of ids skips none of them."""

import asyncio
import secrets

import asyncpg
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.messages import Content
from hookwright.engine import pollers
from hookwright.engine.herald import Herald
from hookwright.engine.ingest import Ingest, NewMessage
from hookwright.engine.pollers import Wanted, beginning, read
from hookwright.engine.wakeups import Wakeups
from hookwright.ids import Minter
from hookwright.store.endpoints import LoadApplication
from hookwright.store.messages import Created
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


class Behind:
    """A clock that stands still, so many ms ago."""

    def __init__(self, ms: int) -> None:
        self._now = SystemClock().now() - ms

    def now(self) -> int:
        return self._now


@pytest.mark.parametrize("behind", [60_000, 3_600_000], ids=["it waited for long", "its clock was set back"])
@pytest.mark.parametrize("several", [False, True], ids=["alone", "in a batch"])
def test_what_is_committed_long_after_its_id_was_minted_is_not_skipped(
    database: str, behind: int, several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a process hangs between the two, or a group before it takes long."""
    monkeypatch.setattr(pollers, "SETTLING_MS", 5_000)

    async def story() -> None:
        clock = SystemClock()
        async with open_store(database, now=clock.now()) as store:
            world = World(store)
            world.now = clock.now() - 4_000_000
            await world.application()
            endpoint = await world.endpoint(kind="poller", url="")
            world.now = clock.now() - 5_500
            quick = (await world.message()).id
            position = beginning(endpoint)

            async def after() -> list[str]:
                nonlocal position
                polled = await read(store, endpoint, Wanted(position=position, limit=9))
                position = polled.position
                return [one.message.id for one in polled.data]

            assert await after() == [quick]
            ingest = Ingest(store=store, dispatcher=Herald(0, Wakeups(store)), clock=Behind(behind), minter=Minter(secrets.token_bytes))
            loaded = await store.read(LoadApplication(organization=ORG, ref=world.app))
            assert loaded is not None
            new = NewMessage(event_type="a.b", content=Content(b"{}"))
            if several:
                made = await ingest.accept_some(loaded, [new])
                assert isinstance(made, tuple)
                (result,) = made
            else:
                answer = await ingest.accept(loaded, new)
                assert isinstance(answer, Created)
                result = answer
            assert isinstance(result, Created)
            monkeypatch.setattr(pollers, "SETTLING_MS", 0)
            found: list[str] = []
            async with asyncio.timeout(60):
                while not found:
                    found = await after()
            assert found == [result.message.id]

    asyncio.run(story())
