"""The `Store` over one SQLite file."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar, overload

import apsw

from hookwright.store import Command, Once, Query, Remembered
from hookwright.store.wakeups import Heard
from hookwright.stores.sql import handlers
from hookwright.stores.sqlite import nodes, wakeups
from hookwright.stores.sqlite.connections import DURABLE, FileInUse, FileLock, Opening, open_reader, open_writer
from hookwright.stores.sqlite.groups import Groups
from hookwright.stores.sqlite.offload import InlineOffload, Offload, ThreadOffload
from hookwright.stores.sqlite.readers import Reader, Readers

HANDLERS = (handlers, nodes, wakeups)
"""Imported for what they register."""

RETRY_SECONDS = 0.1
R = TypeVar("R")
log = logging.getLogger(__name__)


class SqliteStore:
    """Made by `open_store`; used from the event loop that made it."""

    def __init__(self, path: Path, *, threads: bool = True, opening: Opening = DURABLE) -> None:
        """Raises StoreRefused. Without `threads` everything runs in the loop: for simulations."""
        self._lock = FileLock(path)
        try:
            self._writer, urgent, patient = _open(path, opening)
        except BaseException:
            self._lock.release()
            raise
        offload: Callable[[str], Offload] = ThreadOffload if threads else lambda _: InlineOffload()
        self._writing = offload("hookwright-commit")
        self._readers = Readers(Reader(urgent, offload("hookwright-read-urgent")), Reader(patient, offload("hookwright-read")))
        self._groups = Groups(self._writer, self._writing)

    @overload
    async def write(self, command: Command[R], *, once: None = None, on_commit: Callable[[R], None] | None = None) -> R: ...

    @overload
    async def write(self, command: Command[R], *, once: Once[R] | None, on_commit: Callable[[R], None] | None = None) -> R | Remembered: ...

    async def write(
        self, command: Command[R], *, once: Once[R] | None = None, on_commit: Callable[[R], None] | None = None
    ) -> R | Remembered:
        result: R | Remembered = await self._groups.submit(command, once, on_commit)
        return result

    async def read(self, query: Query[R]) -> R:
        return await self._readers.of(query).answer(query)

    async def heard(self) -> Heard:
        """There is no other process: it waits for ever."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def close(self) -> None:
        await self._groups.drain()
        self._writing.close()
        for reader in self._readers:
            reader.close()
        with suppress(apsw.Error):  # a full or failing disk: the log is then read back at the next start
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        with suppress(apsw.Error):
            self._writer.close()
        self._lock.release()


def _open(path: Path, opening: Opening) -> list[apsw.Connection]:
    """For the writer and for each reader, or none of them. Raises StoreRefused."""
    with ExitStack() as opened:
        connections = []
        for open_one in (open_writer, open_reader, open_reader):
            connections.append(open_one(path, opening))
            opened.callback(connections[-1].close)
        opened.pop_all()
    return connections


async def _open_patiently(path: Path, seconds: float) -> SqliteStore:
    loop = asyncio.get_running_loop()
    until, said = loop.time() + seconds, False
    while True:
        try:
            return SqliteStore(path)
        except FileInUse as error:
            if loop.time() >= until:
                raise
            if not said:
                log.warning("waiting up to %d s: %s", seconds, error)
                said = True
        await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def open_store(path: Path, *, patience: float = 0.0) -> AsyncIterator[SqliteStore]:
    """A store for the length of a block. Who has the file meanwhile is waited for, `patience` seconds. Raises StoreRefused."""
    store = await _open_patiently(path, patience)
    try:
        yield store
    finally:
        await asyncio.shield(store.close())
