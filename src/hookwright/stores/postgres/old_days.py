"""Dropping whole days: what is old goes without a row being touched.

A day goes table by table, in transactions of their own (see `partitions`). Rules:

* A message with a live delivery stays (P2). Of a day with a few of those they are moved, with their outcomes and attempts, into the
  table for what lies in no day, and the rest is dropped; one with many stays whole, for that would take long.
* A day stays as long as it has contents. They go one by one, when their own time has come, with the answers that quote
  them; and what has no content cannot be sent again, so while a day is dropped nothing in it comes to life.
* Attempts lie in the day in which they ended. While a day keeps its messages, all later days keep their attempts: some are of
  those messages. Attempts of a message that is gone stay until their own day goes.
* Whether something lives is asked with the table locked, so that it still holds when the day is gone.
* The event ids of messages go before them, in slices: a crash between leaves a message without its event id, not the other way round.
"""

import re
from collections import defaultdict
from datetime import date, datetime
from typing import Any

import asyncpg

from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.partitions import DAY_MS, TABLES, bounds, changing, name_of, start_of
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("old_days", __package__)
MOVED = 1_000
"""Messages that are moved at once at most: some ten milliseconds."""
MOVED_ROWS = 10_000
"""Outcomes or attempts that are: a few messages may have gone to thousands of endpoints. Some tenths of a second, once."""
EVENT_IDS = 500
PATIENCE_MS = 300_000
"""After a table was busy: who reads it for long (a dump) does so for minutes, and every try stops all that accepts messages."""
_NAME = re.compile(r"_(\d{8})$")


class OldDays:
    """Of one process: it remembers when a table was busy."""

    def __init__(self) -> None:
        self._busy_at: int | None = None

    async def drop(self, db: PostgresDb, now: int, before: int) -> bool:
        """Drop a table of a day that ended before `before` (Unix ms), or a slice of event ids; whether something was done."""
        if self._busy_at is not None and abs(now - self._busy_at) < PATIENCE_MS:
            return False
        try:
            return await _drop_days(db, before)
        except asyncpg.LockNotAvailableError:
            self._busy_at = now
        except asyncpg.UndefinedTableError:  # another process was faster
            pass
        return False


async def _drop_days(db: PostgresDb, before: int) -> bool:
    days = sorted((await _days(db)).items())
    whole = min((day for day, tables in days if "messages" in tables), default=date.max)
    for day, tables in days:
        if start_of(day) + DAY_MS <= before and await _drop_some(db, day, tables, whole):
            return True
    return False


async def _days(db: PostgresDb) -> dict[date, set[str]]:
    """The days that there are, each with the tables that have it."""
    days: defaultdict[date, set[str]] = defaultdict(set)
    for table, name in await db.all(SQL.days, (list(TABLES),)):
        if found := _NAME.search(name):
            days[datetime.strptime(found[1], "%Y%m%d").date()].add(table)
    return days


async def _drop_some(db: PostgresDb, day: date, tables: set[str], whole: date) -> bool:
    """`whole` is the first day that keeps its messages."""
    table = next(table for table in ("contents", "messages", "outcomes", "attempts") if table in tables)
    if (table == "attempts" and whole < day) or await _staying(db, table, day) is None:
        return False
    if table == "messages" and await _drop_event_ids(db, *bounds("messages", day)):
        return True
    return await _drop(db, table, day)


async def _staying(db: PostgresDb, table: str, day: date) -> tuple[Any, ...] | None:
    """What says to `move` or `move_live` which rows stay; None if they are too many to be moved."""
    low, high = bounds("messages", day)
    if table == "contents":
        return None if await db.all(_in(SQL.any_content, table, day)) else ()
    if table == "messages":
        return None if await db.all(SQL.more_live, (low, high, MOVED)) else (low, high)
    left = [row[0] for row in await db.all(SQL.left, (low if table == "outcomes" else "", high))]
    return None if await db.all(_in(SQL.more_left, table, day), (left, MOVED_ROWS)) else (left,)


async def _drop_event_ids(db: PostgresDb, low: str, high: str) -> int:
    async with changing(db.connection) as mine:
        return await db.run(SQL.drop_event_ids, (low, high, EVENT_IDS)) if mine else 0


async def _drop(db: PostgresDb, table: str, day: date) -> bool:
    async with changing(db.connection) as mine:
        if not mine:
            return False
        await db.run(f"lock table only {table} in access exclusive mode")
        staying = await _staying(db, table, day)
        if staying is None:
            return False
        if staying:
            await db.run(f"alter table {table} detach partition {name_of(table, day)}")
            await db.all(SQL.by_lookups)
            await db.run(_in(SQL.move_live if table == "messages" else SQL.move, table, day), staying)
        await db.run(f"drop table {name_of(table, day)}")
        return True


def _in(sql: str, table: str, day: date) -> str:
    return sql.replace("{table}", table).replace("{day}", name_of(table, day))
