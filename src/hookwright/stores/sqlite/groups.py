"""Group commit: whatever waits is committed together, with one fsync (P1, P6).

Duty: a command's result is given out only after the transaction that holds it is committed and synced. Rules:

* Statements run in the loop's thread, where they cost no switching of the interpreter lock; only COMMIT, which waits for
  the disk, is carried out beside the loop. The connection is used by one of the two at a time, never by both.
* While a commit is under way new commands gather; they are the next group. No timer, no tuning: the slower the disk,
  the larger the groups.
* What a command raises is its own caller's answer and undoes its own statements only. That answer waits for the commit too:
  a conflict with something that is then not kept would be a lie (P1).
* A savepoint for each command would see to that, but costs a seventh of a message's statements, and few commands raise.
  So a group is carried out without; if one raises, from its beginning once more, each in its savepoint.
* If the group itself fails (full disk, I/O error) nothing of it is kept and every caller is told so.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import apsw

from hookwright.errors import StoreUnavailable
from hookwright.store import Command, Once
from hookwright.stores.sql.db import carry_out
from hookwright.stores.sql.idempotency import perform
from hookwright.stores.sql.items import Item, answer, cut_group, refuse
from hookwright.stores.sql.outages import Outage
from hookwright.stores.sql.registry import WRITERS
from hookwright.stores.sqlite.db import SqliteDb
from hookwright.stores.sqlite.offload import Offload

MOST_ROWS = 500
"""About 20 ms of statements. A command of more rows than that (a fan-out to thousands) is a group of its own."""
BRIEF_ROWS = 8
"""A group of so few rows says that there is little load: see `offload`."""
ROWS_AT_ONCE = 100
"""After so many the loop gets a turn."""
WARY = 100
"""After a group in which a command raised, so many have savepoints at once: who conflicts often must not double the work."""
CHECKPOINT_PAGES = 16_000
"""About 64 MiB of log before it is written back into the database file. No commit begins meanwhile. Measured: at 4,000 pages that
came every 700 messages and took 5 ms, so that at 1,000 messages a second nearly one in a hundred met it; at 16,000 it comes every
2,200 and takes 9 ms.
"""

_GROUP_FAULTS = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NoMemError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.BusyError)
"""What is wrong with the database, not with one command: SQLite may have rolled back all of it already."""

log = logging.getLogger(__name__)


class Groups:
    def __init__(self, connection: apsw.Connection, offload: Offload) -> None:
        self._connection, self._db, self._offload = connection, SqliteDb(connection), offload
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Item[Any]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._log_pages = 0
        self._wary = 0
        self._outage = Outage()
        connection.set_wal_hook(self._note_log_size)

    def submit(self, command: Command[Any], once: Once[Any] | None, on_commit: Callable[[Any], None] | None) -> "asyncio.Future[Any]":
        """The future of the command's result; it is set after the commit."""
        item = Item(command, once, on_commit=on_commit, waiter=self._loop.create_future())
        self._waiting.append(item)
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        return item.waiter

    async def drain(self) -> None:
        """Wait until nothing is waiting or under way."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._commit(cut_group(self._waiting, MOST_ROWS))
                if self._log_pages >= CHECKPOINT_PAGES:
                    await self._offload.run(self._checkpoint)
        finally:
            self._running = None

    async def _commit(self, group: list[Item[Any]]) -> None:
        try:
            rows = await self._carry_out_all(group)
            await self._offload.run(self._sync, brief=rows <= BRIEF_ROWS)
        except Exception as error:
            self._fail(group, error)
            return
        self._outage.committed()
        for item in group:
            answer(item)

    async def _carry_out_all(self, group: list[Item[Any]]) -> int:
        """Up to the commit; how many rows that is. What a command raises is kept for its caller, what the database raises is raised."""
        if not self._wary:
            try:
                return await self._statements(group, self._carry_out)
            except _GROUP_FAULTS:
                raise
            except Exception:
                self._wary = WARY
        self._wary -= 1
        return await self._statements(group, self._carry_out_apart)

    async def _statements(self, group: list[Item[Any]], carry_out_one: Callable[[Item[Any]], None]) -> int:
        if self._connection.in_transaction:
            self._connection.execute("rollback")
        self._connection.execute("begin immediate")
        rows = turn = 0
        for item in group:
            carry_out_one(item)
            rows += item.command.weight
            if rows - turn >= ROWS_AT_ONCE:
                turn = rows
                await asyncio.sleep(0)
        return rows

    def _carry_out(self, item: Item[Any]) -> None:
        item.result = carry_out(perform(self._db, WRITERS[type(item.command)], item.command, item.once))

    def _carry_out_apart(self, item: Item[Any]) -> None:
        """In its savepoint; what it raises is kept for its caller."""
        execute = self._connection.execute
        execute("savepoint item")
        try:
            self._carry_out(item)
        except _GROUP_FAULTS:
            raise
        except Exception as error:
            execute("rollback to item")
            item.error = error
        execute("release item")

    def _sync(self) -> None:
        self._connection.execute("commit")

    def _fail(self, group: list[Item[Any]], error: Exception) -> None:
        with suppress(apsw.Error):  # the next group rolls back again before it begins
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        self._outage.refused(len(group), error)
        cause = "the disk is full" if isinstance(error, apsw.FullError) else str(error)
        unavailable = StoreUnavailable(f"the database cannot take writes now: {cause}")
        unavailable.__cause__ = error
        refuse(group, unavailable)

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
