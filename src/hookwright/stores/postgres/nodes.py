"""Nodes: processes with an engine, each with an epoch that was never used before and a lease that it keeps renewing.

What a node writes as a node shares a lock on its row (`for key share`). Whoever finds its lease run out removes the row:
only when nothing of the node is under way (else at the next look). What it tries later comes to nothing (P4), so its
deliveries can be made claimable in the same transaction (P3). Times are the database's own, by one clock.
"""

from hookwright import __version__
from hookwright.errors import StoreRefused, StoreUnavailable
from hookwright.store.nodes import CloseNode, OpenNode, RenewLease, TakeOver
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.schema import CONTRACT_LOCK, known
from hookwright.stores.postgres.silent import end_silent, free
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("nodes", __package__)


class NodeEnded(StoreUnavailable):
    """This process is not a node any more: it was silent for longer than its lease. It must become one again."""

    def __init__(self) -> None:
        super().__init__("this process lost its lease, and is beginning again")


async def open_node(db: Db, command: OpenNode) -> int:
    """Raises StoreRefused when the schema became too new for this release since it started."""
    await db.all(SQL.no_contraction, {"lock": CONTRACT_LOCK})
    steps = [step.number for step in known()]
    row = await db.first(SQL.open_node, {"release": __version__, "schema": max(steps), "steps": steps})
    if row is None:
        raise StoreRefused("the database was taken over by a newer Hookwright; upgrade this process")
    return int(row[0])


async def renew(db: Db, command: RenewLease) -> bool:
    return bool(await db.run(SQL.renew, {"epoch": command.owner}))


async def take_over(db: PostgresDb, command: TakeOver) -> int:
    return await end_silent(db, lease_ms=command.lease_ms, spared=command.owner)


async def close_node(db: PostgresDb, command: CloseNode) -> int:
    """Within the limits of every command: at a stop nobody waits for longer, and what is left others find silent."""
    await db.run(SQL.close, {"epoch": command.owner})
    return await free(db, [command.owner])
