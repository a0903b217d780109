"""Looking into the server's database from outside, without changing what a crash has left."""

import shutil
import sqlite3
import tempfile
from pathlib import Path


def live_after_crash(database: Path) -> list[tuple[str, str]]:
    """Endpoint and message of each delivery that is not settled, in a copy: opening the files themselves would carry out
    the recovery that is the next start's to make.
    """
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            source = database.with_name(database.name + suffix)
            if source.exists():
                shutil.copyfile(source, Path(folder) / f"copy.db{suffix}")
        connection = sqlite3.connect(f"{folder}/copy.db")
        try:
            return connection.execute("select endpoint, message from deliveries").fetchall()
        finally:
            connection.close()


def count(database: Path, table: str) -> int:
    """Rows in a table of a running server's database; `table` may go on with a condition."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute(f"select count(*) from {table}").fetchone()[0])
    finally:
        connection.close()


def integrity(database: Path) -> str:
    """`ok`, or what is wrong. The server must have stopped."""
    connection = sqlite3.connect(database)
    try:
        return "; ".join(row[0] for row in connection.execute("pragma integrity_check").fetchall())
    finally:
        connection.close()
