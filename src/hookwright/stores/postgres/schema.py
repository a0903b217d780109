"""The schema, and bringing it up to date in two halves (see `stores.sql.steps`). One process at a time, each step whole or not at all.

A contract step is carried out under a lock of its own, which a process shares when it becomes a node (`nodes.open_node`) and
says which steps it knows: so none is carried out beside a node that needs what it takes away, and no such node comes up after
it. Beside an expand step, however long it takes, processes come and go: who has nothing to carry out takes no lock for it.
"""

import logging
from importlib import resources
from typing import Any

from hookwright.errors import StoreRefused
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.silent import end_silent
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sql.steps import Applied, Standing, Step, read_steps, standing

SQL = load_sql("schema", __package__)
LOCK = 0x484F4F4B
"""The advisory lock of who migrates ("HOOK"); held to the end of the transaction, so it works behind a pooler too."""
CONTRACT_LOCK = LOCK + 1
"""Of who carries out a contract step, too; shared by who becomes a node."""
FOLDER = resources.files(__package__) / "migrations"
LONGEST = 24 * 3600.0
"""Seconds that a step may take, or the steps of another process."""
LIMITS = "set local statement_timeout = 0; set local lock_timeout = '{}'; set local idle_in_transaction_session_timeout = 0"
WAITING_FOR_A_TABLE = "5s"
"""While a step waits for a table, whoever needs it later waits behind the step."""

log = logging.getLogger(__name__)


def known() -> tuple[Step, ...]:
    """The steps that this program knows."""
    return read_steps(FOLDER)


async def look(connection: Any) -> Standing:
    """Changes nothing. Raises StoreRefused."""
    return standing(known(), await _applied(connection))


async def migrate(connection: Any) -> list[str]:
    """Carry out what is pending; the names of the steps. Raises StoreRefused if the schema is too new for this program."""
    if not (await look(connection)).pending:
        return []
    return await _carry_out(connection, waiting=None)


async def contract(connection: Any, lease_ms: int) -> list[str]:
    """Carry out what waits; the names of the steps. Raises StoreRefused while a node of an older release is at work.

    Nodes that were silent for `lease_ms` are not: they are ended.
    """
    return await _carry_out(connection, waiting=lease_ms)


async def _carry_out(connection: Any, *, waiting: int | None) -> list[str]:
    """An empty database gets all steps at once: nobody of an older release is to come up between two of them."""
    db, done = PostgresDb(connection), list[str]()
    while True:
        async with connection.transaction():
            await connection.execute(LIMITS.format(0))
            await _lock(connection)
            await db.run(SQL.prepare)
            found = await look(connection)
            steps = found.pending if waiting is None else found.waiting
            if not steps:
                return done
            now = steps if found.version == 0 else steps[:1]
            if any(step.half == "contract" for step in now):
                await connection.execute(f"select pg_advisory_xact_lock({CONTRACT_LOCK})", timeout=LONGEST)
            if waiting is not None:
                await _refuse_beside_older(db, steps[0], waiting)
            await connection.execute(LIMITS.format(WAITING_FOR_A_TABLE))
            for step in now:
                await connection.execute(step.script, timeout=LONGEST)
                await db.run(SQL.applied, (step.number, step.name, step.half))
        done += [step.name for step in now]


async def _lock(connection: Any) -> None:
    if not await connection.fetchval(f"select pg_try_advisory_xact_lock({LOCK})"):
        log.warning("another process migrates this database; waiting for it")
        await connection.execute(f"select pg_advisory_xact_lock({LOCK})", timeout=LONGEST)


async def _refuse_beside_older(db: PostgresDb, step: Step, lease_ms: int) -> None:
    """A node that is locked has something under way: it is alive, however long it was silent."""
    await end_silent(db, lease_ms=lease_ms, below=step.number)
    older = await db.all(SQL.older, {"number": step.number})
    if older:
        shown = ", ".join(f"{epoch} (release {release or 'unknown'}, schema {schema})" for epoch, release, schema in older)
        raise StoreRefused(f"{step.name} waits for nodes of an older release, which need what it takes away: {shown}; upgrade or stop them")


async def _applied(connection: Any) -> list[Applied]:
    if await connection.fetchval("select to_regclass('hookwright_schema') is null"):
        return []
    return [(number, half) for number, half in await PostgresDb(connection).all(SQL.steps)]
