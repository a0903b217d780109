"""The days of the tables that are partitioned: made ahead of time, each by whoever comes first.

A row's id says when it was created, and the ids of a day are a range: so an id alone finds its day. What falls outside
the days that there are (a clock that was wrong by days) goes into a table of its own, and is found all the same.

A day is made beside the table and then attached: making it in place would lock out everybody who reads or writes.
"""

import contextlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from hookwright import ids

TABLES = {"messages": "msg", "contents": "msg", "outcomes": "msg", "attempts": "atmpt"}
"""With the prefix of the ids that they are partitioned by."""
AHEAD = 3
DAY_MS = 86_400_000
LOCK = 0x44415953
"""The advisory lock of who makes days ("DAYS")."""


async def make_days(connection: Any, now: int) -> None:
    """Make the days from yesterday to some days ahead of `now` (Unix ms) that are missing; one look when there are none."""
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    wanted = {name_of(table, day): (table, day) for table in TABLES for day in (today + timedelta(n) for n in range(-1, AHEAD + 1))}
    if not await _missing(connection, list(wanted)):
        return
    async with connection.transaction():
        await connection.execute(f"select pg_advisory_xact_lock({LOCK})")
        for name in await _missing(connection, list(wanted)):
            await _make_day(connection, name, *wanted[name])


async def _make_day(connection: Any, name: str, table: str, day: date) -> None:
    """A day of which something lies in the table for all others already (the clock was wrong) stays there, whole."""
    low, high = (f"{TABLES[table]}_{ids.floor(_start(day) + shift)}" for shift in (0, DAY_MS))
    key = "message" if table in ("contents", "outcomes") else "id"
    begun = f"select exists (select 1 from {table}_other where {key} >= $1 and {key} < $2)"  # noqa: S608  # names of our own
    if await connection.fetchval(begun, low, high):
        return
    with contextlib.suppress(asyncpg.CheckViolationError):  # it came this moment
        async with connection.transaction():
            await connection.execute(f"create table {name} (like {table} including all)")
            await connection.execute(f"alter table {table} attach partition {name} for values from ('{low}') to ('{high}')")


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


async def _missing(connection: Any, names: list[str]) -> list[str]:
    rows = await connection.fetch("select name from unnest(cast($1 as text[])) as wanted (name) where to_regclass(name) is null", names)
    return [row[0] for row in rows]


def _start(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
