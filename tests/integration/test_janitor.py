"""The janitor of a running engine: what is old and what was deleted goes without anybody asking for it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hookwright.engine.janitor import Janitor
from hookwright.engine.slices import SLICE
from hookwright.runtime.engine import DAY_MS, EngineOptions, run_engine
from hookwright.store import Command, Store
from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import CancelDeliveries, Forget
from hookwright.store.messages import FindMessage
from hookwright.store.retention import Erase, RemoveMessages, RemoveRecords
from hookwright.store.tasks import ContinueTasks
from hookwright.stores.sqlite.groups import ROWS_AT_ONCE
from hookwright.stores.sqlite.store import open_store
from hookwright.vault import Vault
from tests.conformance.makers import ORG, World
from tests.conformance.tables import naming, sqlite_tables
from tests.conformance.tasks import begin
from tests.integration.engines import Recorder
from tests.waiting import eventually


def test_old_messages_and_deleted_applications_go_by_themselves_and_young_messages_stay(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world = World(store)
            kept, deleted = (await world.application()).id, (await world.application()).id
            old = await world.message(application=kept, event_id="mine")
            await world.message(await world.endpoint(application=deleted), application=deleted)
            await store.write(DeleteApplication(organization=ORG, ref=deleted, now=world.now))
            async with run_engine(store, Recorder(), Vault({"k1": bytes(32)}, "k1", bytes), EngineOptions(keep_ms=90 * DAY_MS)) as services:
                loaded = await services.directory.application(ORG, kept)
                assert loaded is not None
                world.now = services.clock.now()
                young = await world.message(application=kept)
                await asyncio.to_thread(wait_until_gone, tmp_path / "a.db", old.id, deleted)
                assert await store.read(FindMessage(application=kept, ref=young.id)) is not None

    asyncio.run(run())


def test_a_process_one_of_whose_loops_ended_all_the_same_ends_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()

    async def end(janitor: Janitor) -> None:
        raise RuntimeError("nobody foresaw it")

    async def run() -> None:
        vault = Vault({"k1": bytes(32)}, "k1", bytes)
        async with open_store(tmp_path / "a.db") as store, run_engine(store, Recorder(), vault, EngineOptions(), stop=stop.set):
            await asyncio.wait_for(stop.wait(), 60)

    monkeypatch.setattr(Janitor, "run", end)
    with pytest.raises(RuntimeError, match="nobody foresaw it"):
        asyncio.run(run())


def wait_until_gone(path: Path, *idents: str) -> None:
    eventually(lambda: not naming(sqlite_tables(path), *idents))


class Weighing:
    """A store that notes how many rows each command says it may change; `seen` is set when those that go in slices have come."""

    SLICES = (ContinueTasks, CancelDeliveries, Forget, RemoveMessages, RemoveRecords, Erase)

    def __init__(self, store: Store) -> None:
        self._store = store
        self.weights: dict[type, int] = {}
        self.seen = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, command: Command[Any], **options: Any) -> Any:
        if isinstance(command, self.SLICES):
            self.weights[type(command)] = command.weight
        if len(self.weights) == len(self.SLICES):
            self.seen.set()
        return await self._store.write(command, **options)


def test_no_slice_of_what_goes_on_in_the_background_keeps_the_loop_or_a_group_for_long(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await begin(world, endpoint)
            weighing: Any = Weighing(store)
            async with run_engine(weighing, Recorder(), Vault({"k1": bytes(32)}, "k1", bytes), EngineOptions(keep_ms=90 * DAY_MS)):
                async with asyncio.timeout(60):
                    await weighing.seen.wait()
            assert set(weighing.weights.values()) == {SLICE}
            assert SLICE <= ROWS_AT_ONCE

    asyncio.run(run())
