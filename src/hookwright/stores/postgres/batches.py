"""Group commit: whatever waits is committed by one statement, with one fsync (P1, P6).

While one group is under way new commands gather; they are the next group. No timer, no tuning: the slower the database,
the larger the groups. Each command has its own answer: a conflict or a duplicate is that caller's and never its group's.

A group whose answer was lost (the connection broke) may have been committed. Its callers are told that it was not: who
repeats a request has its idempotency key. What the group may have claimed for this node is in doubt: see `doubts`.

When nobody answers at all, whatever waits is refused with the group that found out: no producer waits for the same
silence more than once. What comes afterwards is the next try.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from hookwright.errors import StoreUnavailable
from hookwright.store import Command, Once
from hookwright.stores.postgres.connections import Line
from hookwright.stores.postgres.faults import LOST, PASSING, unavailable
from hookwright.stores.sql.items import Item, answer, cut_group, refuse
from hookwright.stores.sql.outages import Outage

C = TypeVar("C", bound=Command[Any])
MOST_ROWS = 1000
log = logging.getLogger(__name__)


class Batches(Generic[C]):
    def __init__(self, line: Line, carry_out: Callable[[Any, list[Item[C]]], Awaitable[None]]) -> None:
        """`carry_out(connection, items)` commits a group, or raises and has committed nothing that it knows of."""
        self._line, self._carry_out = line, carry_out
        self._waiting: deque[Item[C]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._outage = Outage()

    def submit(self, command: C, once: Once[Any] | None, on_commit: Callable[[Any], None] | None) -> "asyncio.Future[Any]":
        """The future of the command's result; it is set after the commit."""
        loop = asyncio.get_running_loop()
        item = Item(command, once, on_commit=on_commit, waiter=loop.create_future())
        self._waiting.append(item)
        if self._running is None:
            self._running = loop.create_task(self._run())
        return item.waiter

    async def drain(self) -> None:
        """Wait until nothing is waiting or under way."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._commit(cut_group(self._waiting, MOST_ROWS))
        finally:
            self._running = None

    async def _commit(self, group: list[Item[C]]) -> None:
        try:
            await self._line.use(lambda connection: self._carry_out(connection, group))
        except StoreUnavailable as error:
            self._fail(group, error)
        except (*LOST, *PASSING) as error:
            silenced = tuple(self._waiting) if isinstance(error, TimeoutError) else ()
            if silenced:
                self._waiting.clear()
            self._fail([*group, *silenced], unavailable(error))
        except Exception as error:
            log.exception("a group of %d commands failed", len(group))
            self._fail(group, unavailable(error))
        else:
            self._outage.committed()
            later = [item for item in group if item.left]
            self._waiting.extendleft(reversed(later))
            for item in group:
                answer(item)

    def _fail(self, group: list[Item[C]], error: StoreUnavailable) -> None:
        self._outage.refused(len(group), error)
        refuse(group, error)
