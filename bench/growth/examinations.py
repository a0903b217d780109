"""How many rows each statement of a query looks at, as its own database counts them.

PostgreSQL: by its plan (`explain analyze`), what every scan found, what it refused, and once more for each time that it began.
SQLite: by the steps of its virtual machine; a row that is looked at takes some ten of them.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import apsw

from hookwright.store import Command, Query
from hookwright.stores.postgres.db import PostgresDb, known
from hookwright.stores.sql.db import Row, Values, carry_out
from hookwright.stores.sql.registry import READERS, WRITERS, Handler, Statement
from hookwright.stores.sqlite.db import SqliteDb

Counted = list[tuple[str, int]]
"""Statements in their order, with what each cost."""


def count_on_sqlite(connection: apsw.Connection, asked: Query[Any] | Command[Any]) -> Counted:
    """In steps of the virtual machine. A command is carried out in the caller's transaction."""
    counted: Counted = []
    db = _NamingDb(connection)

    def note(event: dict[str, Any]) -> None:
        counted.append((db.places.get(event["sql"], event["sql"]), event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]))

    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)
    try:
        carry_out(_handler(asked)(db, asked))
        db.end()
    finally:
        connection.trace_v2(0, None)
    return counted


def _handler(asked: Query[Any] | Command[Any]) -> Handler:
    return READERS[type(asked)] if isinstance(asked, Query) else WRITERS[type(asked)]


class _NamingDb(SqliteDb):
    """Remembers which statement a text is, and ends what was not read to its end: only then is it counted."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self.places: dict[str, str] = {}
        self._cursors: list[apsw.Cursor] = []
        self._execute: Any = self._named

    def _named(self, sql: str, values: Values = ()) -> apsw.Cursor:
        self.places[str(sql)] = sql.place if isinstance(sql, Statement) else sql
        self._cursors.append(self.connection.execute(sql, values))
        return self._cursors[-1]

    def end(self) -> None:
        for cursor in self._cursors:
            cursor.close()


async def count_on_postgres(connection: Any, query: Query[Any]) -> Counted:
    """In rows, by the plans; nothing that is examined changes anything."""
    db = ExaminedDb(connection)
    async with connection.transaction(readonly=True):
        await READERS[type(query)](db, query)
    return db.counted


class ExaminedDb(PostgresDb):
    """Has every statement explained, whole, before it is carried out."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.counted: Counted = []

    async def first(self, sql: str, values: Values = ()) -> Row | None:
        await self._examine(sql, values)
        return await super().first(sql, values)

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        await self._examine(sql, values)
        return await super().all(sql, values)

    async def each(self, sql: str, values: Values = ()) -> AsyncIterator[Row]:
        await self._examine(sql, values)
        async for row in super().each(sql, values):
            yield row

    async def _examine(self, sql: str, values: Values) -> None:
        statement = known(sql)
        explained = await self.connection.fetchval(f"explain (analyze, format json) {statement.text}", *statement.arguments(values))
        place = sql.place if isinstance(sql, Statement) else sql
        self.counted.append((place, rows_looked_at(json.loads(explained)[0]["Plan"])))


class Explained:
    """A connection whose every statement is explained before it is carried out, what it changes undone in between."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.counted: Counted = []

    def transaction(self) -> Any:
        return self._connection.transaction()

    async def fetchrow(self, text: str, *values: Any) -> Row | None:
        trying = self._connection.transaction()
        await trying.start()
        explained = await self._connection.fetchval(f"explain (analyze, format json) {text}", *values)
        await trying.rollback()
        self.counted.append((" ".join(text.split())[:60], rows_looked_at(json.loads(explained)[0]["Plan"])))
        found: Row | None = await self._connection.fetchrow(text, *values)
        return found


def rows_looked_at(plan: dict[str, Any]) -> int:
    """Of a plan that was carried out. A scan that found nothing looked for something: each beginning counts as one."""
    own = 0
    if "Relation Name" in plan:
        refused = sum(plan.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
        own = round(plan["Actual Loops"] * (plan["Actual Rows"] + refused + 1))
    return own + sum(rows_looked_at(child) for child in plan.get("Plans", ()))
