"""What handlers speak to (`stores.sql.db`), over one apsw connection: nothing in it waits."""

import re
from collections.abc import AsyncIterator
from typing import Any, cast

import apsw

from hookwright.stores.sql.db import Row, UniqueViolated, Values

_FAILED_KEY = re.compile(r"UNIQUE constraint failed: (\w+)\.\w+(?:, \w+\.(\w+))?")


class SqliteDb:
    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self._execute: Any = connection.execute

    async def first(self, sql: str, values: Values = ()) -> Row | None:
        return cast(Row | None, self._execute(sql, values).fetchone())

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        return cast(list[Row], self._execute(sql, values).fetchall())

    async def run(self, sql: str, values: Values = ()) -> int:
        try:
            self._execute(sql, values)
        except apsw.ConstraintError as error:
            raise _translated(error) from error
        return self.connection.changes()

    async def each(self, sql: str, values: Values = ()) -> AsyncIterator[Row]:
        for row in self._execute(sql, values):
            yield row


def _translated(error: apsw.ConstraintError) -> Exception:
    """SQLite names the columns of a unique index; indexes are named after the table and its last column."""
    failed = _FAILED_KEY.search(str(error))
    return UniqueViolated("_".join(filter(None, failed.groups()))) if failed else cast(Any, error)
