"""Ending nodes that were silent, and making claimable what they held, in one transaction (P3).

Two statements, because what such a node commits at the last moment, before its row is locked here, only the second one sees.

Rows are not found by their owner: an index would be paid for by every message, and this is done once for a node that died.
So all live deliveries are read, however many wait, and no limit of time may keep that from its end: it would fail again each time.
"""

from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("nodes", __package__)
LONGEST = 3600.0
"""Seconds; for a connection on which nobody answers any more."""
ANY_SCHEMA = 2**31 - 1


async def end_silent(db: PostgresDb, *, lease_ms: int, spared: int = 0, below: int = ANY_SCHEMA) -> int:
    """End the nodes that were silent for `lease_ms`, of a schema `below` that, but not `spared`; how many rows were freed."""
    ended = await db.all(SQL.end_silent, {"spared": spared, "below": below, "lease_ms": lease_ms})
    if not ended:
        return 0
    await db.run(SQL.unlimited)
    return await free(db, [row[0] for row in ended], timeout=LONGEST)


async def free(db: PostgresDb, epochs: list[int], *, timeout: float | None = None) -> int:
    """Make claimable what they held; how many rows. `timeout` in seconds; None is the connection's own."""
    return await db.run(SQL.free, {"epochs": epochs}, timeout=timeout)
