"""A disk that fills up, fails, or lies still, under a real SQLite file: nothing that was acknowledged is lost.

The faults are injected below SQLite, in its VFS, so that everything above is what runs in production.
"""

import asyncio
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from hookwright.domain.endpoints import Endpoint
from hookwright.errors import StoreRefused, StoreUnavailable
from hookwright.store.applications import FindApplication
from hookwright.store.deliveries import ClaimDue
from hookwright.store.messages import FindMessage
from hookwright.store.nodes import OpenNode
from hookwright.stores.sqlite import groups
from hookwright.stores.sqlite.store import SqliteStore, open_store
from tests.conformance.makers import NOW, ORG, World

BASE = apsw.vfs_names()[0]


class Disk(apsw.VFS):
    """The system's disk, until told otherwise. `room`: bytes that may still be written beyond what files hold."""

    def __init__(self) -> None:
        super().__init__("failing", base=BASE)
        self.room: int | None = None
        self.fails: set[str] = set()
        self.openings: int | None = None  # how often the database may still be opened

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "File":
        if self.openings is not None and flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            if not self.openings:
                raise apsw.CantOpenError("too many open files")
            self.openings -= 1
        return File(self, name, flags)


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__(BASE, name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        disk = self._disk
        if "write" in disk.fails:
            raise apsw.IOError("the disk failed")
        more = max(0, offset + len(data) - super().xFileSize()) if disk.room is not None else 0
        if disk.room is not None and more > disk.room:
            raise apsw.FullError("no space left")
        super().xWrite(data, offset)
        if disk.room is not None:
            disk.room -= more

    def xSync(self, flags: int) -> None:
        if "sync" in self._disk.fails:
            raise apsw.IOError("the disk failed")
        super().xSync(flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        if "read" in self._disk.fails:
            raise apsw.IOError("the disk failed")
        return super().xRead(amount, offset)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    apsw.set_default_vfs("failing")
    yield made
    apsw.set_default_vfs(BASE)
    made.unregister()


async def begin(store: SqliteStore) -> tuple[World, Endpoint]:
    world = World(store)
    await world.application()
    return world, await world.endpoint()


async def found(world: World, ident: str) -> bool:
    return await world.store.read(FindMessage(application=world.app, ref=ident)) is not None


def test_a_full_disk_is_said_so_and_over_as_soon_as_there_is_room(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            kept = [(await world.message(endpoint)).id]
            disk.room = 64 * 1024
            with pytest.raises(StoreUnavailable, match="the disk is full"):
                while message := await world.message(endpoint, body=b"x" * 4000):
                    kept.append(message.id)
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="the disk is full"):
                    await world.message(endpoint, body=b"x" * 100_000)
            assert all([await found(world, ident) for ident in kept])
            assert await world.under_way() == len(kept)
            disk.room = None
            kept.append((await world.message(endpoint, body=b"x" * 4000)).id)
        async with open_store(tmp_path / "store.db") as store:
            world.store = store
            assert all([await found(world, ident) for ident in kept])
            assert await world.under_way() == len(kept)

    asyncio.run(story())


def test_a_crash_while_the_disk_is_full_loses_nothing_that_was_acknowledged(tmp_path: Path, disk: Disk) -> None:
    """What a killed process leaves is what lies in its files at that moment."""
    left = tmp_path / "left"
    left.mkdir()

    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            kept: list[str] = []
            disk.room = 512 * 1024
            with pytest.raises(StoreUnavailable):
                while message := await world.message(endpoint, body=b"x" * 4000):
                    kept.append(message.id)
            for name in ("store.db", "store.db-wal"):
                shutil.copy(tmp_path / name, left / name)
            disk.room = None
        async with open_store(left / "store.db") as again:
            world.store = again
            assert len(kept) > 5
            assert all([await found(world, ident) for ident in kept])

    asyncio.run(story())


def test_reads_go_on_while_the_disk_is_full(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, _ = await begin(store)
            disk.room = 0
            with pytest.raises(StoreUnavailable):
                await store.write(OpenNode(now=NOW))
            assert await store.read(FindApplication(organization=ORG, ref=world.app)) is not None
            disk.room = None

    asyncio.run(story())


def test_a_full_disk_at_the_checkpoint_costs_nothing_that_was_committed(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "CHECKPOINT_PAGES", 16)

    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            kept = [(await world.message(endpoint, body=b"x" * 50_000)).id for _ in range(3)]
            disk.fails = {"sync"}  # a commit syncs the log, a checkpoint the database too
            with pytest.raises(StoreUnavailable):
                await world.message(endpoint, body=b"x" * 50_000)
            disk.fails = set()
            disk.room = 8 * 1024
            with pytest.raises(StoreUnavailable):
                while message := await world.message(endpoint, body=b"x" * 50_000):
                    kept.append(message.id)
            disk.room = None
            kept.append((await world.message(endpoint)).id)
        async with open_store(tmp_path / "store.db") as store:
            world.store = store
            assert all([await found(world, ident) for ident in kept])

    asyncio.run(story())


@pytest.mark.parametrize("fault", ["write", "sync"])
def test_a_failing_disk_keeps_nothing_of_the_group_and_every_caller_is_told(tmp_path: Path, disk: Disk, fault: str) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            disk.fails = {fault}
            answers = await asyncio.gather(*(world.message(endpoint) for _ in range(10)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [StoreUnavailable] * 10
            disk.fails = set()
            assert await world.under_way() == 0
            await world.message(endpoint)
            assert await world.under_way() == 1

    asyncio.run(story())


def test_a_claim_that_could_not_be_committed_claims_nothing(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            await world.message(endpoint)
            command = ClaimDue(endpoint=endpoint.id, owner=1, now=NOW, limit=10, most_bytes=10)
            disk.fails = {"sync"}
            told: list[object] = []
            with pytest.raises(StoreUnavailable):
                await store.write(command, on_commit=told.append)
            disk.fails = set()
            assert told == []
            assert len((await store.write(command)).claimed) == 1

    asyncio.run(story())


def test_a_conflict_with_what_could_not_be_kept_is_not_told(tmp_path: Path, disk: Disk) -> None:
    """A producer takes "this event id exists" for "it is safe"."""

    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            disk.fails = {"sync"}
            answers = await asyncio.gather(*(world.message(endpoint, event_id="e") for _ in range(3)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
            disk.fails = set()
            await world.message(endpoint, event_id="e")

    asyncio.run(story())


def test_a_disk_that_cannot_be_read_is_unavailable_and_recovers(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            message = await world.message(endpoint, body=b"x" * 20_000_000)  # too large to be remembered
            await store.write(OpenNode(now=NOW))
            disk.fails = {"read"}
            with pytest.raises(StoreUnavailable):
                await found(world, message.id)
            disk.fails = set()
            assert await found(world, message.id)

    asyncio.run(story())


def test_a_disk_without_room_at_the_start_is_refused_with_the_reason(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        disk.room = 0
        with pytest.raises(StoreRefused, match="full"):
            async with open_store(tmp_path / "store.db"):
                pass
        disk.room = None
        async with open_store(tmp_path / "store.db") as store:
            assert await store.write(OpenNode(now=NOW)) == 1

    asyncio.run(story())


def test_closing_a_store_on_a_failing_disk_keeps_what_was_committed(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            message = await world.message(endpoint)
            disk.fails = {"write", "sync"}
        disk.fails = set()
        async with open_store(tmp_path / "store.db") as store:
            world.store = store
            assert await found(world, message.id)

    asyncio.run(story())


@pytest.mark.parametrize("seed", range(10))
def test_whatever_fails_when_what_was_acknowledged_is_there_and_what_was_refused_is_not(tmp_path: Path, disk: Disk, seed: int) -> None:
    rand = random.Random(seed)

    async def story() -> None:
        kept: list[str] = []
        async with open_store(tmp_path / "store.db") as store:
            world, endpoint = await begin(store)
            for _ in range(30):
                disk.fails = {fault for fault in ("write", "sync") if rand.random() < 0.2}
                disk.room = rand.choice((None, None, 0, 10_000, 60_000))
                size = rand.choice((10, 5_000, 50_000))
                answers = await asyncio.gather(
                    *(world.message(endpoint, body=b"x" * size) for _ in range(rand.randrange(1, 6))), return_exceptions=True
                )
                assert {type(answer) for answer in answers} in ({StoreUnavailable}, {type(answers[0])})
                kept += [answer.id for answer in answers if not isinstance(answer, BaseException)]
            disk.fails, disk.room = set(), None
        async with open_store(tmp_path / "store.db") as store:
            world.store = store
            assert all([await found(world, ident) for ident in kept])
            assert await world.under_way() == len(kept)
            assert apsw.Connection(str(tmp_path / "store.db")).execute("pragma integrity_check").get == "ok"

    asyncio.run(story())


@pytest.mark.parametrize("openings", [0, 1, 2])
def test_a_database_that_opens_to_write_but_not_to_read_is_refused_and_let_go(tmp_path: Path, disk: Disk, openings: int) -> None:
    async def run() -> None:
        path, before = tmp_path / "store.db", set(apsw.connections())
        disk.openings = openings
        with pytest.raises(StoreRefused):
            SqliteStore(path, threads=False)
        assert set(apsw.connections()) <= before
        disk.openings = None
        async with open_store(path) as store:
            assert await store.write(OpenNode(now=NOW)) > 0

    asyncio.run(run())
