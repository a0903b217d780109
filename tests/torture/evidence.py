"""Reading what the database has noted of nodes, their ends, and what they wrote: see `evidence.sql`."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

SCRIPT = Path(__file__).with_suffix(".sql").read_text("utf-8")


class End(msgspec.Struct, frozen=True):
    """A node that was a node no more, at `at` (Unix seconds); `held`: endpoint and message of what it had not settled."""

    epoch: int
    holder: str
    ended_by: str
    at: float
    held: tuple[tuple[str, str], ...]


class Evidence:
    def __init__(self, url: str) -> None:
        self._url = url

    def install(self) -> None:
        self.fetch(SCRIPT)

    def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Rows; none of a script."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self._url, timeout=30)
            try:
                if not values and ";" in statement:
                    await connection.execute(statement)
                    return []
                rows: list[Any] = await connection.fetch(statement, *values)
                return rows
            finally:
                await connection.close()

        return asyncio.run(run())

    def count(self, table: str) -> int:
        return int(self.fetch(f"select count(*) from {table}")[0][0])

    def epoch_of(self, holder: str) -> int:
        """The newest of a node; 0 when it has never been one."""
        return int(self.fetch("select coalesce(max(epoch), 0) from torture_nodes where holder = $1", holder)[0][0])

    def ends(self) -> list[End]:
        held: dict[int, list[tuple[str, str]]] = {}
        for epoch, endpoint, message in self.fetch("select epoch, endpoint, message from torture_freed"):
            held.setdefault(epoch, []).append((endpoint, message))
        rows = self.fetch("select epoch, holder, ended_by, ended_at from torture_ends join torture_nodes using (epoch) order by ended_at")
        return [End(epoch, holder, by, at, tuple(held.get(epoch, ()))) for epoch, holder, by, at in rows]

    def created_at(self) -> dict[str, float]:
        """When each stored message was made, by the clock of the node that made it (Unix seconds)."""
        return {row[0]: row[1] / 1000 for row in self.fetch("select id, created_at from messages")}
