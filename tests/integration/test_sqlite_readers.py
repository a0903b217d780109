"""A list that takes long keeps no message and no delivery waiting."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hookwright.clock import SystemClock
from hookwright.domain.pages import PageRequest
from hookwright.store import Query
from hookwright.store.deliveries import DueEndpoints
from hookwright.store.endpoints import LoadApplication, LoadEndpoint
from hookwright.store.messages import ListMessages
from hookwright.store.organizations import FindApiKey, ListRevocations
from hookwright.store.tasks import NextSlice
from hookwright.stores.sql.registry import READERS
from hookwright.stores.sqlite.db import SqliteDb
from hookwright.stores.sqlite.store import SqliteStore, open_store
from tests.conformance.makers import NOW, ORG, World
from tests.integration.engines import Recorder, accept, endpoint_of, engine

GENEROUS = 30.0


class Held:
    """Lists of messages, each in the middle of a statement until `go` is set."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self._list = READERS[ListMessages]

    async def __call__(self, db: SqliteDb, query: Any) -> Any:
        db.connection.create_scalar_function("hold", self._hold, 0)
        await db.all("select hold()")
        return await self._list(db, query)

    def _hold(self, *_: object) -> None:
        self.begun.set()
        self.go.wait()

    @asynccontextmanager
    async def under_way(self, store: SqliteStore) -> AsyncIterator[None]:
        """One list, for the length of a block that may take long but not for ever."""
        listing = asyncio.create_task(store.read(ListMessages(application="app_any", page=PageRequest())))
        try:
            async with asyncio.timeout(GENEROUS):
                await asyncio.to_thread(self.begun.wait, GENEROUS)
                yield
                assert not listing.done()
        finally:
            self.go.set()
            await listing


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held()
    monkeypatch.setitem(READERS, ListMessages, made)
    return made


@pytest.mark.parametrize(
    "query",
    [
        LoadApplication(organization=ORG, ref="customer"), LoadEndpoint(id="ep_any"), DueEndpoints(), NextSlice(),
        FindApiKey(id="key_any"), ListRevocations(now=NOW),
    ],
    ids=lambda query: type(query).__name__,
)  # fmt: skip
def test_what_a_message_waits_for_is_answered_while_a_list_is_read(tmp_path: Path, held: Held, query: Query[Any]) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "store.db") as store, held.under_way(store):
            await store.read(query)

    asyncio.run(run())


def test_a_message_to_an_application_that_is_not_in_memory_is_accepted_and_sent_while_a_list_is_read(tmp_path: Path, held: Held) -> None:
    async def run() -> None:
        recorder = Recorder()
        async with open_store(tmp_path / "store.db") as store:
            world = World(store)
            world.now = SystemClock().now()
            await world.application()
            async with engine(store, recorder) as services:
                await endpoint_of(world, services)
                async with held.under_way(store):
                    await accept(services, b"0", world.app)
                    assert await recorder.sent.get() == b"0"

    asyncio.run(run())
