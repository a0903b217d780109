"""A copy of the database file as it was at one moment, made beside whoever has it.

The rules of the file hold (see `connections`): the copying connection is read-only, so it can neither write nor check-point, and
uses the SQLite that the server uses. It reads one state of the database from the beginning to the end, however much is written
meanwhile; so long the log cannot be begun anew, and grows by what is written.

The copy appears under its name when it is whole, checked and synced; until then it has another one.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import apsw

from hookwright.errors import StoreRefused
from hookwright.stores.sqlite.connections import FileInUse, FileLock
from hookwright.stores.sqlite.examination import look_at, reading, refusal

PAGES = 1024
"""4 MiB: what is copied at once. Then the copy rests for as long as that took, at most `REST_SECONDS`."""
REST_SECONDS = 0.05


def back_up(path: Path, target: Path) -> int:
    """Copy the database to `target`, which must not exist; how many bytes that has. Raises StoreRefused."""
    if not path.exists():
        raise StoreRefused(f"there is no database {path}")
    if target.exists():
        raise StoreRefused(f"{target} exists already: a backup replaces nothing")
    part = target.with_name(target.name + ".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise StoreRefused(
            f"{part} is there already: a backup to this name is under way, or was killed; in that case remove the file and begin again"
        ) from error
    except OSError as error:
        raise StoreRefused(f"cannot write {part}: {error.strerror}") from error
    try:
        with _source(path) as source:
            look_at(source, path)
            _copy(source, part)
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except apsw.Error as error:
        raise StoreRefused(f"the backup {target} cannot be written: {error}") from error
    finally:
        for name in (part, part.with_name(part.name + "-journal"), part.with_name(part.name + "-wal"), part.with_name(part.name + "-shm")):
            name.unlink(missing_ok=True)
    return target.stat().st_size


@contextlib.contextmanager
def _source(path: Path) -> Iterator[apsw.Connection]:
    """Of a file that nobody has, which is then ours for as long; or of one that a server has."""
    try:
        lock = FileLock(path)
    except FileInUse:
        with _beside(path) as connection:
            yield connection
        return
    try:
        with reading(path) as connection:
            yield connection
    finally:
        lock.release()


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[apsw.Connection]:
    try:
        connection = apsw.Connection(f"file:{quote(str(path.resolve()))}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.execute("pragma query_only = on; pragma wal_autocheckpoint = 0").fetchall()
            connection.set_busy_timeout(5000)
            yield connection
        finally:
            connection.close()
    except apsw.Error as error:
        raise refusal(path, error) from error


def _copy(source: apsw.Connection, part: Path) -> None:
    copy = apsw.Connection(str(part))
    try:
        source.execute("begin; select count(*) from sqlite_schema").fetchall()  # from here on it sees one state
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                began = time.monotonic()
                backup.step(PAGES)
                time.sleep(min(time.monotonic() - began, REST_SECONDS))
        source.execute("rollback")
        copy.execute("pragma journal_mode = delete").fetchall()  # one file, and nothing beside it
        problem = copy.execute("pragma quick_check(1)").fetchall()[0][0]
        if problem != "ok":
            raise StoreRefused(f"the database is corrupt ({problem}); this copy of it is thrown away")
    finally:
        copy.close()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
