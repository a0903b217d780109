"""Opening the database file: who may, how, and what is refused with which reason.

The file is made private (0600), for it holds payloads; SQLite gives its log the same mode. What exists keeps its mode.

Rules: one process owns the file (an OS lock beside it), one connection makes all writes and all checkpoints (SQLite up
to 3.51.2 can corrupt a WAL database when two do so at the same instant; we do not depend on the fix), and readers are
`query_only`. The lock goes with the process, also when it is killed.
"""

import fcntl
import os
import time
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from hookwright.errors import StoreRefused
from hookwright.stores.sql.steps import Half, Standing, Step, read_steps, standing

APPLICATION_ID = 0x484F4F4B
"""Written into the file's header ("HOOK"), so that another program's database is never taken for ours."""

_PRAGMAS = (
    "pragma journal_mode = wal",
    "pragma foreign_keys = off",
    "pragma trusted_schema = off",
    "pragma cell_size_check = on",
    "pragma temp_store = memory",
    "pragma mmap_size = 0",
    "pragma wal_autocheckpoint = 0",
    f"pragma journal_size_limit = {64 * 2**20}",
    f"pragma cache_size = {-16 * 1024}",
)


class Opening(NamedTuple):
    """How SQLite is asked to open a file. The default is the only way that keeps promises; tests bring their own to show
    that: a file system whose power fails (`vfs`), and one sync less.
    """

    vfs: str | None = None
    synchronous: str = "full"


DURABLE = Opening()
_READER_PRAGMAS = ("pragma query_only = on", "pragma trusted_schema = off", "pragma temp_store = memory", "pragma wal_autocheckpoint = 0")
_CHECK_SECONDS = 0.5
FOLDER = resources.files(__package__) / "migrations"


class FileInUse(StoreRefused):
    """Another process has the file."""


class FileLock:
    """Held while the file is ours. Raises FileInUse, StoreRefused."""

    def __init__(self, database: Path) -> None:
        database = database.resolve()  # a symbolic link is another name of the same file: it must find the same lock
        self._path = database.with_name(database.name + ".lock")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreRefused(f"cannot create {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            if not isinstance(error, BlockingIOError):
                raise StoreRefused(f"cannot lock {self._path}: {error.strerror}") from error
            raise FileInUse(
                f"{database} is in use by another process (pid {holder}); a SQLite database has one: stop that one first"
            ) from error
        with suppress(OSError):  # the pid is for people; a full disk must not keep us from starting
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)


def open_writer(path: Path, opening: Opening = DURABLE) -> apsw.Connection:
    """The one connection that writes: opened, checked, and at the newest schema. Raises StoreRefused."""
    _make_private(path)
    try:
        connection = apsw.Connection(str(path), vfs=opening.vfs)
        connection.set_busy_timeout(5000)
        if connection.readonly("main"):  # SQLite opens such a file all the same, and refuses the first write
            raise StoreRefused(f"cannot write {path}: it is read-only for this user")
        _refuse_foreign(connection, path)
        for pragma in (*_PRAGMAS, f"pragma synchronous = {opening.synchronous}"):
            connection.execute(pragma).fetchall()
        _check(connection, path)
        migrate(connection)
    except apsw.NotADBError as error:
        raise StoreRefused(f"{path} is not a SQLite database (or its first page is corrupt)") from error
    except apsw.CorruptError as error:
        raise StoreRefused(f"{path} is corrupt: {error}; restore a backup") from error
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError, apsw.AuthError) as error:
        raise StoreRefused(f"cannot write {path}: {error} (does the folder exist, and may this user write there?)") from error
    except apsw.FullError as error:
        raise StoreRefused(f"cannot open {path}: the disk is full") from error
    except apsw.Error as error:
        raise StoreRefused(f"cannot open {path}: {error}") from error
    return connection


def _make_private(path: Path) -> None:
    """Make the file, empty, if there is none. What stands in the way SQLite will find as well, and is told then."""
    with suppress(OSError):
        os.close(os.open(path.resolve(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def open_reader(path: Path, opening: Opening = DURABLE) -> apsw.Connection:
    """A connection that can only read what is committed. Raises StoreRefused."""
    try:
        connection = apsw.Connection(str(path), vfs=opening.vfs)
        connection.set_busy_timeout(5000)
        for pragma in _READER_PRAGMAS:
            connection.execute(pragma).fetchall()
    except apsw.Error as error:
        raise StoreRefused(f"cannot open {path} for reading: {error}") from error
    return connection


def migrate(connection: apsw.Connection) -> list[str]:
    """Bring the schema up to date, both halves: the file has one owner. The names of the steps; each commits whole or not at all."""
    found = look(connection)
    steps = sorted((*found.pending, *found.waiting), key=lambda step: step.number)
    for step in steps:
        with connection:
            connection.execute("create table if not exists hookwright_schema (version integer primary key, name text, half text) strict")
            connection.execute(step.script)
            connection.execute("insert into hookwright_schema (version, name, half) values (?, ?, ?)", (step.number, step.name, step.half))
            connection.execute(f"pragma user_version = {max(step.number, schema_version(connection))}")
            connection.execute(f"pragma application_id = {APPLICATION_ID}")
    return [step.name for step in steps]


def known() -> tuple[Step, ...]:
    """The steps that this program knows."""
    return read_steps(FOLDER)


def look(connection: apsw.Connection, name: str = "the database") -> Standing:
    """Changes nothing. Raises StoreRefused."""
    recorded = connection.execute("select 1 from sqlite_schema where name = 'hookwright_schema'").fetchone()
    rows: Any = connection.execute("select version, half from hookwright_schema").fetchall() if recorded else []
    applied: dict[int, Half] = dict.fromkeys(range(1, schema_version(connection) + 1), "expand") if not rows else dict(rows)
    return standing(known(), applied.items(), name)


def schema_version(connection: apsw.Connection) -> int:
    version: Any = connection.execute("pragma user_version").fetchall()[0][0]
    return int(version)


def _refuse_foreign(connection: apsw.Connection, path: Path) -> None:
    mark: Any = connection.execute("pragma application_id").fetchall()[0][0]
    tables: Any = connection.execute("select count(*) from sqlite_schema").fetchall()[0][0]
    if mark != APPLICATION_ID and (mark or tables or schema_version(connection)):
        raise StoreRefused(f"{path} is another program's SQLite database; name a file of its own for Hookwright")
    look(connection, str(path))


def _check(connection: apsw.Connection, path: Path) -> None:
    """A quick check for as long as a start can wait; `hookwright doctor` does the whole of it."""
    deadline = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        problem = connection.execute("pragma quick_check(1)").fetchall()[0][0]
    except apsw.InterruptError:
        return
    finally:
        connection.set_progress_handler(None)
    if problem != "ok":
        raise StoreRefused(f"{path} is corrupt ({problem}); restore a backup")
