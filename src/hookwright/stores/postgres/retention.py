"""Removing what has expired or is old, as everywhere, by one process at a time; and keeping the days."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from hookwright.store.deliveries import CancelDeliveries, Forget
from hookwright.store.retention import Erase, Maintain, Place, RemoveMessages, RemoveRecords
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.old_days import OldDays
from hookwright.stores.postgres.partitions import make_days
from hookwright.stores.sql import deliveries, removal, retention
from hookwright.stores.sql.registry import load_sql

R = TypeVar("R")
NEWS, OLD_DAYS = load_sql("news", __package__), load_sql("old_days", __package__)
LOCK = 0x53574550
"""The advisory lock of who removes ("SWEP")."""
CANCELING = 0x434E434C
"""And of who cancels ("CNCL"): whoever is at it cancels for all, but who removes something else would not."""
CLOCK = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"
TIMES = ("now", "before", "old")
Timed = TypeVar("Timed", CancelDeliveries, Forget, Maintain, RemoveMessages, RemoveRecords, Erase)


async def by_both_clocks(connection: Any, command: Timed) -> Timed:
    """The command with all its times as much earlier as its process's clock is ahead of the database's."""
    ahead: int = command.now - await connection.fetchval(CLOCK)
    if ahead <= 0:
        return command
    times = {name: value - ahead for name in TIMES if (value := getattr(command, name, None)) is not None}
    return msgspec.structs.replace(command, **times)


async def maintain(connection: Any, command: Maintain, old_days: OldDays) -> bool:
    """In transactions of its own: what it locks must be free again soon."""
    await make_days(connection, command.now, wait=False)  # by the process's own clock: that is what its ids go by
    command = await by_both_clocks(connection, command)
    return command.before is not None and await old_days.drop(PostgresDb(connection), command.now, command.before)


async def cancel_deliveries(db: PostgresDb, command: CancelDeliveries) -> int:
    return await _alone(db, command, deliveries.cancel_deliveries, 0, lock=CANCELING)


async def forget(db: PostgresDb, command: Forget) -> int:
    return await _alone(db, command, _forget, 0)


async def _forget(db: PostgresDb, command: Forget) -> int:
    await db.all(OLD_DAYS.by_lookups)
    gone = await db.run(NEWS.forget, {"limit": command.limit})
    return gone + await retention.forget(db, command)


async def remove_messages(db: PostgresDb, command: RemoveMessages) -> Place | None:
    return await _alone(db, command, removal.remove_messages, None)


async def remove_records(db: PostgresDb, command: RemoveRecords) -> int:
    return await _alone(db, command, removal.remove_records, 0)


async def erase(db: PostgresDb, command: Erase) -> int:
    return await _alone(db, command, _erase_quietly, 0)


async def _erase_quietly(db: PostgresDb, command: Erase) -> int:
    """That an application is deleted was told when it was; a piece of news for each of its messages would drown all others."""
    await db.all(NEWS.quietly)
    return await removal.erase(db, command)


async def _alone(
    db: PostgresDb, command: Timed, handler: Callable[[PostgresDb, Timed], Awaitable[R]], nothing: R, *, lock: int = LOCK
) -> R:
    """Two that remove the same rows would only wait for each other."""
    if not await db.connection.fetchval(f"select pg_try_advisory_xact_lock({lock})"):
        return nothing
    return await handler(db, await by_both_clocks(db.connection, command))
