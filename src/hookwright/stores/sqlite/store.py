"""The `Store` over one SQLite file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, overload

import apsw

from hookwright.errors import StoreRefused, StoreUnavailable, Unreadable
from hookwright.store import Command, Once, Query, Remembered
from hookwright.stores.sqlite import (
    applications,
    attempts,
    deliveries,
    endpoints,
    event_types,
    messages,
    messages_read,
    organizations,
    recovers,
    retention,
    stats,
)
from hookwright.stores.sqlite.connections import FileLock, open_reader, open_writer
from hookwright.stores.sqlite.groups import Groups
from hookwright.stores.sqlite.offload import InlineOffload, Offload, ThreadOffload
from hookwright.stores.sqlite.registry import READERS

HANDLERS = (
    applications, attempts, deliveries, endpoints, event_types, messages, messages_read, organizations, recovers, retention, stats,
)  # fmt: skip
"""Imported for what they register."""

R = TypeVar("R")


class SqliteStore:
    """Made by `open_store`; used from the event loop that made it."""

    def __init__(self, path: Path, *, threads: bool = True) -> None:
        """Raises StoreRefused. Without `threads` everything runs in the loop: for simulations."""
        self._lock = FileLock(path)
        try:
            self._writer, self._reader = _open(path)
        except BaseException:
            self._lock.release()
            raise
        self._writing: Offload = ThreadOffload("hookwright-commit") if threads else InlineOffload()
        self._reading: Offload = ThreadOffload("hookwright-read") if threads else InlineOffload()
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
        handler = READERS[type(query)]
        result: R = await self._reading.run(lambda: self._read(handler, query))
        return result

    def _read(self, handler: Callable[[apsw.Connection, Any], Any], query: Query[Any]) -> Any:
        """One query sees one state of the database, however many statements it takes."""
        try:
            with self._reader:
                return handler(self._reader, query)
        except (apsw.IOError, apsw.CorruptError, apsw.BusyError, apsw.FullError, apsw.CantOpenError) as error:
            raise StoreUnavailable(f"the database cannot be read now: {error}") from error
        except UnicodeDecodeError as error:
            raise Unreadable(str(error)) from error

    async def close(self) -> None:
        await self._groups.drain()
        self._writing.close()
        self._reading.close()
        with suppress(apsw.Error):  # a full or failing disk: the log is then read back at the next start
            self._reader.close()
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        with suppress(apsw.Error):
            self._writer.close()
        self._lock.release()


def _open(path: Path) -> tuple[apsw.Connection, apsw.Connection]:
    """The writer and the reader, or neither. Raises StoreRefused."""
    writer = open_writer(path)
    try:
        return writer, open_reader(path)
    except BaseException as error:
        writer.close()
        if isinstance(error, apsw.Error):
            raise StoreRefused(f"cannot open {path} for reading: {error}") from error
        raise


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[SqliteStore]:
    """A store for the length of a block. Raises StoreRefused."""
    store = SqliteStore(path)
    try:
        yield store
    finally:
        await asyncio.shield(store.close())
