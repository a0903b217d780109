"""Looking into a database on PostgreSQL from the outside."""

import asyncio
from typing import Any

import asyncpg


def asked(database: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows of one statement."""

    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(database)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    return asyncio.run(ask())
