"""What handlers speak to (`stores.sql.db`), over one asyncpg connection inside a transaction."""

from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg

from hookwright.stores.postgres.dialect import Prepared, prepare
from hookwright.stores.sql.db import Row, UniqueViolated, Values
from hookwright.stores.sql.registry import Statement

PREFETCH = 100
"""Rows of a list that are fetched at once."""

_prepared: dict[str, Prepared] = {}


class PostgresDb:
    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def first(self, sql: str, values: Values = ()) -> Row | None:
        statement = known(sql)
        return cast(Row | None, await self.connection.fetchrow(statement.text, *statement.arguments(values)))

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        statement = known(sql)
        return cast(list[Row], await self.connection.fetch(statement.text, *statement.arguments(values)))

    async def run(self, sql: str, values: Values = (), *, timeout: float | None = None) -> int:
        """`timeout` in seconds; None is the connection's own."""
        statement = known(sql)
        try:
            status: str = await self.connection.execute(statement.text, *statement.arguments(values), timeout=timeout)
        except asyncpg.UniqueViolationError as error:
            raise UniqueViolated(error.constraint_name or "") from error
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def each(self, sql: str, values: Values = ()) -> AsyncIterator[Row]:
        statement = known(sql)
        async for row in self.connection.cursor(statement.text, *statement.arguments(values), prefetch=PREFETCH):
            yield row


def known(sql: str) -> Prepared:
    """`prepare`, once for each statement; two may read the same and yet differ here."""
    key = sql.place if isinstance(sql, Statement) else sql
    statement = _prepared.get(key)
    if statement is None:
        statement = _prepared[key] = prepare(sql)
    return statement
