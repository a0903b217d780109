"""Commits that were never answered: what they changed of this node's claims, nobody here knows.

A claim may have made this node the owner of rows that nobody holds (P3). A release may have been carried out, or not. Such a
commit may even be still to come, from a session that has not noticed yet that its client left. So first that session is
ended; then what it did either is in the database or never will be, and the rows are made claimable. Who repeats the request
that they belonged to has its idempotency key.

A claim changes nothing in a row by which two claims of one node can be told apart. So what this node holds must never be
among what is freed here, or it would be sent twice:

* no claim begins while there are doubts, and none is resolved while a claim is under way;
* what a claim was answered with is held, and in doubt no more;
* a release is not repeated by who asked for it: it becomes a doubt.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from hookwright.domain.deliveries import Delivery, Fence, Key
from hookwright.errors import StoreUnavailable
from hookwright.store.deliveries import ClaimedRows, Release
from hookwright.store.messages import Created
from hookwright.stores.postgres.connections import Lines
from hookwright.stores.postgres.db import known
from hookwright.stores.postgres.deliveries import release
from hookwright.stores.postgres.faults import LOST
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("nodes", __package__)
LOOKS = 100
PAUSE_SECONDS = 0.05


class Doubt(msgspec.Struct, eq=False):
    rows: dict[Key, tuple[Fence, int]]
    """With the Unix ms before which each is not due when it is given back (0: as before)."""
    sessions: list[str] = []
    """The names that the connections had on which something may still be done to them."""


class Doubts:
    def __init__(self) -> None:
        self._all: deque[Doubt] = deque()
        self._releasing: list[Doubt] = []
        """What is being given back, and may be in doubt in a moment."""
        self._claims = 0
        self._no_claims = asyncio.Event()
        self._no_claims.set()
        self._resolving: asyncio.Task[None] | None = None
        self._freed = 0

    def add(self, connection: Any, claimed: Iterable[Delivery]) -> None:
        """The answer to a commit on `connection` is lost; with it these may have been claimed. If so, the connection is given up."""
        owned: dict[Key, tuple[Fence, int]] = {delivery.key: (delivery.fence, 0) for delivery in claimed if delivery.owner}
        if owned:
            self._all.append(Doubt(owned))
            _give_up(connection, self._all[-1])

    async def release(self, connection: Any, command: Release) -> None:
        """Give rows back, before this node's next claim begins. Raises what the server says when it keeps nothing of it."""
        asked = Doubt({key: (fence, due_at) for key, fence, due_at in command.rows})
        self._releasing.append(asked)
        try:
            await release(connection, command)
        except LOST:
            self._all.append(asked)
            _give_up(connection, asked)
        finally:
            self._releasing.remove(asked)

    @asynccontextmanager
    async def resolved(self, lines: Lines) -> AsyncIterator[None]:
        """A block in which this node claims. Raises what keeps doubts from being resolved."""
        while self._all:
            await self.resolve(lines)
        self._claims += 1
        self._no_claims.clear()
        try:
            yield
        finally:
            self._claims -= 1
            if not self._claims:
                self._no_claims.set()

    def held(self, rows: ClaimedRows) -> None:
        """A claim was answered with these, so they were free: whatever was to free them is done, or will never be."""
        for doubt in (*self._all, *self._releasing):
            for claimed in rows.claimed:
                doubt.rows.pop(claimed.delivery.key, None)

    async def resolve(self, lines: Lines) -> None:
        """Make claimable what nobody holds. Whoever comes while that is under way waits for it. What fails is left for the next time."""
        if not self._all:
            return
        if self._resolving is None:
            self._resolving = asyncio.create_task(self._resolve(lines))
        await asyncio.shield(self._resolving)

    def freed(self) -> int:
        """How many rows were made claimable since this was asked."""
        freed, self._freed = self._freed, 0
        return freed

    async def _resolve(self, lines: Lines) -> None:
        try:
            await self._no_claims.wait()
            async with lines.one() as line:
                while self._all:
                    doubt = self._all[0]
                    await line.use(lambda connection: _end(connection, doubt.sessions))  # noqa: B023  # awaited at once
                    self._freed += await line.use(lambda connection: _free(connection, doubt))  # noqa: B023
                    self._all.popleft()
        finally:
            self._resolving = None


def claimed_by(result: Any) -> Iterable[Delivery]:
    """What a command's result says was claimed."""
    if isinstance(result, ClaimedRows):
        return (row.delivery for row in result.claimed)
    if isinstance(result, tuple):  # of CreateMessages
        return (delivery for one in result if isinstance(one, Created) for delivery in one.deliveries)
    return ()


def _give_up(connection: Any, doubt: Doubt) -> None:
    """Its session will be ended: nobody's work may be on it then."""
    connection.terminate()
    doubt.sessions.append(connection.name)


async def _end(connection: Any, sessions: list[str]) -> None:
    statement = known(SQL.end_sessions)
    for _ in range(LOOKS):
        if not await connection.fetchval(statement.text, *statement.arguments({"sessions": sessions})):
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise StoreUnavailable("a session whose client is gone does not end")


async def _free(connection: Any, doubt: Doubt) -> int:
    """How many rows. If it is not known, this session must not do it later either."""
    try:
        return await release(connection, Release(rows=tuple((key, fence, due_at) for key, (fence, due_at) in doubt.rows.items())))
    except BaseException:
        _give_up(connection, doubt)
        raise
