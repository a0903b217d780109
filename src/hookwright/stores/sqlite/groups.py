"""Group commit: whatever waits is committed together, with one fsync (P1, P6).

Duty: a command's result is given out only after the transaction that holds it is committed and synced. Rules:

* Statements run in the loop's thread, where they cost no switching of the interpreter lock; only COMMIT, which waits for
  the disk, is carried out beside the loop. The connection is used by one of the two at a time, never by both.
* While a commit is under way new commands gather; they are the next group. No timer, no tuning: the slower the disk,
  the larger the groups.
* Each command has a savepoint. What it raises is its own caller's answer and undoes its own statements only. That answer
  waits for the commit too: a conflict with something that is then not kept would be a lie (P1).
* If the group itself fails (full disk, I/O error) nothing of it is kept and every caller is told so.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import apsw
import msgspec

from hookwright.errors import CallerError, StoreUnavailable
from hookwright.store import Command, Once, Remembered
from hookwright.stores.sql.db import carry_out
from hookwright.stores.sql.idempotency import perform
from hookwright.stores.sql.outages import Outage
from hookwright.stores.sql.registry import WRITERS
from hookwright.stores.sqlite.db import SqliteDb
from hookwright.stores.sqlite.offload import Offload

MOST_PER_GROUP = 128
MOST_ROWS = 500
"""About 20 ms of statements. A command of more rows than that (a fan-out to thousands) is a group of its own."""
BRIEF_ROWS = 8
"""A group of so few rows says that there is little load: see `offload`."""
ROWS_AT_ONCE = 100
"""After so many the loop gets a turn."""
CHECKPOINT_PAGES = 4000
"""About 16 MiB of log before it is written back into the database file."""

_GROUP_FAULTS = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NoMemError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.BusyError)
"""What is wrong with the database, not with one command: SQLite may have rolled back all of it already."""

log = logging.getLogger(__name__)


class _Item(msgspec.Struct):
    command: Command[Any]
    once: Once[Any] | None
    on_commit: Callable[[Any], None] | None
    answer: "asyncio.Future[Any]"
    result: Any = None
    error: Exception | None = None


class Groups:
    def __init__(self, connection: apsw.Connection, offload: Offload) -> None:
        self._connection, self._db, self._offload = connection, SqliteDb(connection), offload
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Item] = deque()
        self._running: asyncio.Task[None] | None = None
        self._log_pages = 0
        self._outage = Outage()
        connection.set_wal_hook(self._note_log_size)

    def submit(self, command: Command[Any], once: Once[Any] | None, on_commit: Callable[[Any], None] | None) -> "asyncio.Future[Any]":
        """The future of the command's result; it is set after the commit."""
        item = _Item(command, once, on_commit, self._loop.create_future())
        self._waiting.append(item)
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        return item.answer

    async def drain(self) -> None:
        """Wait until nothing is waiting or under way."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._commit(self._next_group())
                if self._log_pages >= CHECKPOINT_PAGES:
                    await self._offload.run(self._checkpoint)
        finally:
            self._running = None

    def _next_group(self) -> list[_Item]:
        """What is committed together: cut by rows, so that the loop is never kept for long."""
        group, rows = [self._waiting.popleft()], 0
        rows += group[0].command.weight
        while self._waiting and len(group) < MOST_PER_GROUP and rows + self._waiting[0].command.weight <= MOST_ROWS:
            group.append(self._waiting.popleft())
            rows += group[-1].command.weight
        return group

    async def _commit(self, group: list[_Item]) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            self._connection.execute("begin immediate")
            rows = turn = 0
            for item in group:
                self._carry_out(item)
                rows += item.command.weight
                if rows - turn >= ROWS_AT_ONCE:
                    turn = rows
                    await asyncio.sleep(0)
            await self._offload.run(self._sync, brief=rows <= BRIEF_ROWS)
        except Exception as error:
            self._fail(group, error)
            return
        self._outage.committed()
        for item in group:
            _answer(item)

    def _sync(self) -> None:
        self._connection.execute("commit")

    def _carry_out(self, item: _Item) -> None:
        """Run one command in its savepoint; what it raises is kept for its caller."""
        execute = self._connection.execute
        execute("savepoint item")
        try:
            item.result = carry_out(perform(self._db, WRITERS[type(item.command)], item.command, item.once))
        except _GROUP_FAULTS:
            raise
        except Exception as error:
            execute("rollback to item")
            item.error = error
        execute("release item")

    def _fail(self, group: list[_Item], error: Exception) -> None:
        with suppress(apsw.Error):  # the next group rolls back again before it begins
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        self._outage.refused(len(group), error)
        cause = "the disk is full" if isinstance(error, apsw.FullError) else str(error)
        for item in group:
            if not item.answer.done():
                unavailable = StoreUnavailable(f"the database cannot take writes now: {cause}")
                unavailable.__cause__ = error
                item.answer.set_exception(unavailable)

    def _note_log_size(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Passive: it never waits for a reader. A full disk here costs nothing that was committed."""
        self._log_pages = 0
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            log.warning("checkpoint failed, the log goes on growing until one succeeds: %s", error)


def _answer(item: _Item) -> None:
    """Tell of a command whose group is committed. No callback may keep the others of its group from their answers."""
    if item.error is not None:
        if not isinstance(item.error, CallerError):
            log.error("command %s failed", type(item.command).__name__, exc_info=item.error)
        if not item.answer.done():
            item.answer.set_exception(item.error)
        return
    if item.on_commit is not None and not isinstance(item.result, Remembered):
        try:
            item.on_commit(item.result)
        except Exception:
            log.exception("what should follow the commit of %s failed", type(item.command).__name__)
    if not item.answer.done():
        item.answer.set_result(item.result)
