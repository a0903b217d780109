"""How many connections a process may open, as docs/postgresql.md says, and how it closes them."""

import asyncio
from pathlib import Path
from typing import Any

from hookwright.stores.postgres.connections import Address, Line, Lines
from hookwright.stores.postgres.listening import Ear
from hookwright.stores.postgres.store import PostgresStore


def connecting(store: PostgresStore) -> list[Line | Ear]:
    """Whatever has a connection."""
    parts = [part._all if isinstance(part, Lines) else (part,) for part in vars(store).values() if isinstance(part, Lines | Line | Ear)]
    return [one for part in parts for one in part]


def test_the_documented_number_of_connections_is_the_most_that_a_process_opens() -> None:
    most = len(connecting(PostgresStore(Address("postgresql://nobody/nothing"))))
    text = (Path(__file__).parents[2] / "docs" / "postgresql.md").read_text(encoding="utf-8")
    assert f"A process opens at most {most} connections to PostgreSQL" in " ".join(text.split())


def test_connections_are_closed_at_the_same_time() -> None:
    """In an outage each of them takes as long as it may."""

    class Closing:
        def __init__(self, together: asyncio.Barrier) -> None:
            self._together = together

        async def close(self, timeout: float) -> None:
            await self._together.wait()

    async def story() -> None:
        store = PostgresStore(Address("postgresql://nobody/nothing"))
        users: list[Any] = connecting(store)
        together = asyncio.Barrier(len(users))
        for user in users:
            user._connection = Closing(together)
        async with asyncio.timeout(30):
            await store.close()

    asyncio.run(story())
