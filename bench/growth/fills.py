"""Filling a database of either kind with straight inserts into its schema: millions of rows in minutes.

A SQLite file is named by its path, a PostgreSQL database by its URL. Both are made up to date first, and must be empty.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import msgspec

from bench.growth import registrations as registered
from bench.growth.histories import COLUMNS, DAY_MS, History, Rows
from bench.growth.registrations import Registered, register
from bench.growth.shapes import Shape
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.engine.secrets import Secrets
from hookwright.runtime.keys import open_vault
from hookwright.stores.postgres.partitions import make_days
from hookwright.stores.postgres.store import open_store as open_postgres
from hookwright.stores.sqlite.connections import open_writer

RING = "k1:" + "A" * 43 + "="
"""The key that what is loaded here is sealed with; nothing in it is anybody's."""
SEED = 20_260_101
Progress = Callable[[str], None]
Insert = Callable[[str, Sequence[str], Iterable[Sequence[Any]]], Awaitable[None]]


class Filled(msgspec.Struct, frozen=True):
    """`now`: Unix ms, when the newest message was made."""

    shape: Shape
    registered: Registered
    now: int


async def fill(database: str, shape: Shape, progress: Progress, now: int | None = None) -> Filled:
    """Everything that `shape` asks for, and the same whenever `now` is."""
    now = int(time.time() * 1000) if now is None else now
    began = now - shape.days * DAY_MS
    chance = Random(SEED)
    made = register(shape, began, chance)
    history = History(shape, made, now, chance)
    seal = Secrets(open_vault(RING)).seal_secret
    async with opened(database, began, now) as insert:
        await insert("organizations", ("id", "created_at"), [(ORG, began)])
        await insert("applications", registered.APPLICATION, registered.application_rows(made, began))
        await insert("endpoints", registered.ENDPOINT, registered.endpoint_rows(made, began))
        await insert("endpoint_secrets", registered.SECRET, registered.secret_rows(made, began, seal, chance))
        await insert("event_types", registered.EVENT_TYPE, registered.event_type_rows(began))
        count = 0
        for rows in history.chunks():
            await _insert_all(insert, rows)
            count += len(rows["messages"])
            if rows["messages"] and count % 100_000 == 0:
                progress(f"{count:,} of {shape.messages:,} messages loaded")
        await _insert_counters(insert, history, slot=database.startswith("postgresql:"))
    return Filled(shape, made, now)


async def _insert_all(insert: Insert, rows: Rows) -> None:
    for table, columns in COLUMNS.items():
        await insert(table, columns, rows[table])


async def _insert_counters(insert: Insert, history: History, *, slot: bool) -> None:
    columns = ("endpoint", "hour", "success", "fail", "canceled") + (("slot",) if slot else ())
    await insert("counters", columns, ((*key, *counts, *((1,) if slot else ())) for key, counts in history.counters.items()))


def opened(database: str, began: int, now: int) -> AbstractAsyncContextManager[Insert]:
    """A way to insert rows into a database that is up to date and has the days from `began` to `now` (Unix ms)."""
    return _opened_postgres(database, began, now) if database.startswith("postgresql:") else _opened_sqlite(Path(database))


@asynccontextmanager
async def _opened_sqlite(path: Path) -> AsyncIterator[Insert]:
    connection = open_writer(path)
    for pragma in ("synchronous = off", f"cache_size = {-(2**21)}", "journal_mode = memory", "locking_mode = exclusive"):
        connection.execute(f"pragma {pragma}").fetchall()

    async def insert(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        with connection:
            connection.executemany(f"insert into {table} ({', '.join(columns)}) values ({marks})", rows)

    yield insert
    connection.execute("pragma journal_mode = wal").fetchall()
    connection.close()
    with path.open("rb") as file:
        await asyncio.to_thread(os.fsync, file.fileno())


@asynccontextmanager
async def _opened_postgres(url: str, began: int, now: int) -> AsyncIterator[Insert]:
    async with open_postgres(url, now=now):
        pass
    connection = await asyncpg.connect(url, command_timeout=3600, server_settings={"synchronous_commit": "off"})
    for at in range(began, now, DAY_MS):
        await make_days(connection, at)

    async def insert(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        await connection.copy_records_to_table(table, columns=list(columns), records=rows)

    yield insert
    await connection.execute("vacuum (analyze)")  # as autovacuum does while tables grow at their own pace
    await connection.execute("checkpoint")
    await connection.close()


async def redirect(database: str, url: str) -> None:
    """Every endpoint is somewhere else from now on."""
    if database.startswith("postgresql:"):
        connection = await asyncpg.connect(database)
        await connection.execute("update endpoints set url = $1", url)
        await connection.close()
        return
    file = open_writer(Path(database))
    file.execute("update endpoints set url = ?", (url,))
    file.close()
