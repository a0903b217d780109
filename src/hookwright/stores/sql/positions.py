"""The order of ordered endpoints: which place a delivery gets, and who is first.

Guards that places are given in the order of commits: whoever takes one keeps others from it until the commit, so that what
has a lower place is committed before, or never will be. Places only grow, but for strays.

A stray is a delivery without a place: it was made before its endpoint became ordered, or by a process that had not heard of it yet.
No order was promised for it. It goes before the others, when it is due and found.
"""

from collections.abc import Sequence
from typing import Any

from hookwright.domain.deliveries import Key
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("positions")
FRONT = 2**40
"""Strays get places below: there is room for more of them than there can ever be."""
MOST_AT_ONCE = 64
"""Nobody claims more of an endpoint at once, so what is owned is found among as many from the front."""


async def begin(db: Db, endpoint: str) -> None:
    """From now on it is ordered."""
    await db.run(SQL.begin, {"endpoint": endpoint, "front": FRONT})


async def end(db: Db, endpoint: str) -> None:
    await db.run(SQL.end, {"endpoint": endpoint})


async def take(db: Db, endpoint: str) -> int:
    """The place behind all others; 0 if the endpoint is not ordered."""
    row = await db.first(SQL.take, (endpoint,))
    return 0 if row is None else int(row[0])


async def lock(db: Db, endpoint: str) -> int:
    """The place that the next one will get, as long as the transaction lasts; 0 if the endpoint is not ordered."""
    row = await db.first(SQL.lock, (endpoint,))
    return 0 if row is None else int(row[0])


async def is_ordered(db: Db, endpoint: str) -> bool:
    """At this moment: nobody is kept from changing it."""
    return await db.first(SQL.is_ordered, (endpoint,)) is not None


async def ordered_among(db: Db, endpoints: Sequence[str]) -> list[str]:
    rows: Any = await db.all(SQL.ordered_among, {"endpoints": as_list(endpoints)}) if endpoints else []
    return [endpoint for (endpoint,) in rows]


async def place(db: Db, key: Key, position: int) -> None:
    await db.run(SQL.place, (position, key.endpoint, key.message, key.round))


async def due_times(db: Db, endpoint: str, next_place: int, now: int) -> list[int] | None:
    """When the first of its deliveries are due (Unix ms), in their order; None while anybody owns one. Its order is locked."""
    rows = await db.all(SQL.first, (endpoint, MOST_AT_ONCE))
    if any(owner for owner, _, _ in rows):
        return None
    strays = await db.all(SQL.strays, (endpoint, now, MOST_AT_ONCE))
    if strays:
        front = rows[0][2] if rows else next_place
        for n, (message, round) in enumerate(reversed(strays), start=1):
            await place(db, Key(endpoint, message, round), front - n)
        rows = await db.all(SQL.first, (endpoint, MOST_AT_ONCE))
    return [due_at for _, due_at, _ in rows]
