"""Claims whose commit was never answered: the database may say that this node owns rows that nobody here holds (P3).

Such a commit may even be still to come, from a session that has not noticed yet that its client left. So first that
session is ended; then what it claimed either is in the database or never will be, and is made claimable. Who repeats the
request that it belonged to has its idempotency key.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from hookwright.domain.deliveries import Delivery
from hookwright.errors import StoreUnavailable
from hookwright.store.deliveries import ClaimedRows, Release
from hookwright.store.messages import Created
from hookwright.stores.postgres.connections import Line
from hookwright.stores.postgres.db import known
from hookwright.stores.postgres.deliveries import release
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("nodes", __package__)
LOOKS = 100
PAUSE_SECONDS = 0.05


class Doubt(msgspec.Struct, frozen=True):
    session: str
    """The name that its connection had."""
    claimed: tuple[Delivery, ...]


class Doubts:
    def __init__(self) -> None:
        self._all: deque[Doubt] = deque()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, connection: Any, claimed: Iterable[Delivery]) -> None:
        """The answer to a commit on `connection` is lost; with it these may have been claimed. If so, the connection is given up."""
        owned = tuple(delivery for delivery in claimed if delivery.owner)
        if owned:
            connection.terminate()  # its session will be ended: nobody's work may be on it then
            self._all.append(Doubt(connection.name, owned))

    async def resolve(self, line: Line) -> int:
        """Make claimable what was claimed for nobody; how many rows. What fails is left for the next time."""
        freed = 0
        while self._all:
            doubt = self._all[0]
            rows = Release(rows=tuple((delivery.key, delivery.fence, 0) for delivery in doubt.claimed))
            await line.use(lambda connection: _end(connection, doubt.session))  # noqa: B023  # awaited at once
            freed += await line.use(lambda connection: release(connection, rows))  # noqa: B023
            self._all.popleft()
        return freed


def claimed_by(result: Any) -> Iterable[Delivery]:
    """What a command's result says was claimed."""
    if isinstance(result, ClaimedRows):
        return (row.delivery for row in result.claimed)
    if isinstance(result, tuple):  # of CreateMessages
        return (delivery for one in result if isinstance(one, Created) for delivery in one.deliveries)
    return ()


async def _end(connection: Any, session: str) -> None:
    statement = known(SQL.end_session)
    for _ in range(LOOKS):
        if not await connection.fetchval(statement.text, *statement.arguments({"session": session})):
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise StoreUnavailable("a session whose client is gone does not end")
