"""The rows of a store, table by table, whatever tables there are: what was to be removed everywhere is looked for everywhere."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw
import asyncpg

T = TypeVar("T")
Rows = dict[str, list[dict[str, Any]]]
ReadTables = Callable[[], Rows]

PASSING = {"news", "hookwright_schema", "nodes"}
"""News name ids, to other processes, and are gone within an hour; the others are about no customer."""


def sqlite_tables(path: Path) -> Rows:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    names: Any = connection.execute("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'").fetchall()
    rows = {name: _read(connection, name) for (name,) in names if name not in PASSING}
    connection.close()
    return rows


def _read(connection: apsw.Connection, name: str) -> list[dict[str, Any]]:
    columns = [str(column[1]) for column in connection.execute(f"pragma table_info({name})").fetchall()]
    return [dict(zip(columns, row, strict=True)) for row in connection.execute(f"select * from {name}").fetchall()]


def postgres_tables(url: str) -> Rows:
    async def read() -> Rows:
        connection = await asyncpg.connect(url)
        names = await connection.fetch(
            "select relname from pg_class where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace"
        )
        rows = {name: [dict(row) for row in await connection.fetch(f"select * from {name}")] for (name,) in names if name not in PASSING}
        await connection.close()
        return rows

    return in_a_thread(lambda: asyncio.run(read()))


def in_a_thread(work: Callable[[], T]) -> T:
    """What needs a loop of its own, called by a story from within its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def change_sqlite(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)  # the store may be in the middle of a commit
    connection.execute(statement)
    connection.close()


def naming(rows: Rows, *values: str | bytes) -> dict[str, int]:
    """How many rows of each table have one of these as a column's value, or within it; tables without any are left out."""
    wanted = [value.encode() if isinstance(value, str) else value for value in values]
    counts = {table: sum(any(value in cell for cell in _cells(row) for value in wanted) for row in found) for table, found in rows.items()}
    return {table: count for table, count in counts.items() if count}


def _cells(row: Mapping[str, Any]) -> list[bytes]:
    return [cell.encode() if isinstance(cell, str) else bytes(cell) for cell in row.values() if isinstance(cell, str | bytes | memoryview)]
