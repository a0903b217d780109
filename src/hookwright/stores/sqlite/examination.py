"""Looking at a database file without changing it: for `doctor`, and to say what a migration would do.

Only for who holds the file's lock: one connection, read-only, closed before the answer is given. It leaves no files
behind: made by an administrator, a log or its index beside the database would shut the server's own user out.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import msgspec

from hookwright.errors import StoreRefused, Unreadable
from hookwright.store.seals import Seal
from hookwright.stores.sql.db import carry_out
from hookwright.stores.sql.examination import Backlog, backlog
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sql.seals import seals_after
from hookwright.stores.sql.steps import Standing, standing
from hookwright.stores.sqlite.connections import APPLICATION_ID, known, look, schema_version
from hookwright.stores.sqlite.db import SqliteDb

SQL = load_sql("examination", __package__)


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """`problems`: what SQLite's full check found, at most ten lines.

    `holds_data`: whether there is an organization, so that the keys to what is sealed must be there. `backlog` is None
    when the schema is not the newest. `newest_at`: when the newest message was created (Unix ms); None if there is none.
    """

    standing: Standing
    problems: tuple[str, ...]
    holds_data: bool
    backlog: Backlog | None
    newest_at: int | None


def schema_standing(path: Path) -> Standing:
    """How far the file's schema is; there may be no file yet. Raises StoreRefused."""
    if not path.exists():
        return standing(known(), ())
    with reading(path) as connection:
        return look_at(connection, path)


def examine(path: Path) -> Examination:
    """All of the file is read. Raises StoreRefused: not a database, not ours, unreadable, from a newer version."""
    with reading(path) as connection:
        schema = look_at(connection, path)
        rows = connection.execute("pragma integrity_check(10)").fetchall()
        problems = tuple(str(row[0]) for row in rows if row[0] != "ok")
        holds_data = schema.version > 0 and not problems and bool(_row(connection, SQL.holds_data)[0])
        readable = not schema.pending and not problems
        found = carry_out(backlog(SqliteDb(connection))) if readable else None
        newest_at = _row(connection, SQL.newest_message)[0] if readable else None
    return Examination(
        standing=schema, problems=problems, holds_data=holds_data, backlog=found, newest_at=newest_at,
    )  # fmt: skip


def stored_seals(path: Path) -> Iterator[Seal]:
    """All that lies sealed in a file of the newest schema, read as it is asked for. Raises StoreRefused, Unreadable."""
    try:
        with reading(path) as connection:
            seals = seals_after(SqliteDb(connection))
            while (seal := carry_out(_next(seals))) is not None:
                yield seal
    except UnicodeDecodeError as error:
        raise Unreadable(str(error)) from error


async def _next(seals: AsyncIterator[Seal]) -> Seal | None:
    return await anext(seals, None)


def sqlite_version() -> str:
    return apsw.sqlite_lib_version()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """Without a log to take into account the file is read as it is; else SQLite needs an index of the log, for as long."""
    path = path.resolve()  # SQLite keeps the log beside the file itself, not beside a link to it
    log, index = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    plain = not log.exists() or log.stat().st_size == 0
    had_index = index.exists()
    name = f"file:{quote(str(path))}?mode=ro" + ("&immutable=1" if plain else "")
    try:
        connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            connection.set_busy_timeout(5000)
            yield connection
        finally:
            connection.close()
    except apsw.Error as error:
        raise refusal(path, error) from error
    finally:
        if not had_index and not plain:
            index.unlink(missing_ok=True)


def look_at(connection: apsw.Connection, path: Path) -> Standing:
    """Raises StoreRefused for what is not ours, or newer."""
    mark: Any = connection.execute("pragma application_id").fetchall()[0][0]
    tables: Any = connection.execute("select count(*) from sqlite_schema").fetchall()[0][0]
    if mark != APPLICATION_ID and (mark or tables or schema_version(connection)):
        raise StoreRefused(f"{path} is another program's SQLite database")
    return look(connection, str(path))


def _row(connection: apsw.Connection, sql: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(sql).fetchall()[0]
    return row


def refusal(path: Path, error: apsw.Error) -> StoreRefused:
    """Of a file that cannot be read."""
    if isinstance(error, apsw.NotADBError):
        return StoreRefused(f"{path} is not a SQLite database (or its first page is corrupt)")
    if isinstance(error, apsw.CorruptError):
        return StoreRefused(f"{path} is corrupt: {error}; restore a backup")
    return StoreRefused(f"{path} cannot be read: {error}")
