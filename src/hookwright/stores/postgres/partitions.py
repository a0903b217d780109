"""The days of the tables that are partitioned: made ahead of time, each by whoever comes first.

A row's id says when it was created, and the ids of a day are a range: so an id alone finds its day. What falls outside
the days that there are (a clock that was wrong by days) goes into a table of its own, and is found all the same.

Who changes the days locks out everybody for a moment, so each change is a short transaction of its own that one process makes
at a time, and that gives up when it does not get its locks at once: days are made long before they are needed, dropped long
after, and there is another occasion soon. A day is made beside the table and then attached, as making it in place takes longer.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from hookwright import ids

TABLES = {"messages": "msg", "contents": "msg", "outcomes": "msg", "attempts": "atmpt"}
"""With the prefix of the ids that they are partitioned by."""
AHEAD = 4
DAY_MS = 86_400_000
LOCK = 0x44415953
"""The advisory lock of who makes and drops days ("DAYS")."""
LOCK_TIMEOUT = "100ms"
"""Who waits for a table keeps all that come after it waiting."""


async def make_days(connection: Any, now: int, *, wait: bool = True) -> None:
    """Make the days from yesterday to some days ahead of `now` (Unix ms) that are missing; one look when there are none.

    While another process changes the days: `wait` for it, else leave it to it.
    """
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    wanted = {name_of(table, day): (table, day) for day in (today + timedelta(n) for n in range(-1, AHEAD + 1)) for table in TABLES}
    for name in await _missing(connection, list(wanted)):
        await _make_day(connection, name, *wanted[name], wait=wait)


async def _make_day(connection: Any, name: str, table: str, day: date, *, wait: bool) -> None:
    """A day of which something lies in the table for all others already (the clock was wrong) stays there, whole."""
    low, high = bounds(table, day)
    key = "message" if table in ("contents", "outcomes") else "id"
    begun = f"select exists (select 1 from {table}_other where {key} >= $1 and {key} < $2)"  # noqa: S608  # names of our own
    if await connection.fetchval(begun, low, high):
        return
    # A check is violated when it begins this moment; no lock is to be had when the table is busy: then another time.
    with contextlib.suppress(asyncpg.CheckViolationError, asyncpg.LockNotAvailableError):
        async with changing(connection, wait=wait) as mine:
            if mine and await _missing(connection, [name]):
                await connection.execute(f"create table {name} (like {table} including all)")
                await connection.execute(f"alter table {table} attach partition {name} for values from ('{low}') to ('{high}')")


@contextlib.asynccontextmanager
async def changing(connection: Any, *, wait: bool = False) -> AsyncIterator[bool]:
    """A transaction in which days can be changed, for the length of a block; False when another process is at it.

    Raises asyncpg.LockNotAvailableError.
    """
    async with connection.transaction():
        if wait:
            await connection.execute(f"select pg_advisory_xact_lock({LOCK})")
        mine = wait or await connection.fetchval(f"select pg_try_advisory_xact_lock({LOCK})")
        await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        yield bool(mine)


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def bounds(table: str, day: date) -> tuple[str, str]:
    """The first id of a day, and the first after it."""
    low, high = (f"{TABLES[table]}_{ids.floor(start_of(day) + shift)}" for shift in (0, DAY_MS))
    return low, high


def start_of(day: date) -> int:
    """Unix ms."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


async def _missing(connection: Any, names: list[str]) -> list[str]:
    """Read from the catalogue itself: `to_regclass` may answer as it did before another process made a table."""
    rows = await connection.fetch(
        "select name from unnest(cast($1 as text[])) with ordinality as wanted (name, n)"
        " where not exists (select 1 from pg_class where relname = name and pg_table_is_visible(oid)) order by n",
        names,
    )
    return [row[0] for row in rows]
