"""Looking into the server's database from outside, without changing what a crash has left."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from tests.torture.receiver import Place


def live_after_crash(database: Path, endpoints: dict[str, int], numbers: dict[str, int]) -> set[Place]:
    """Deliveries that are not settled, in a copy: opening the files themselves would carry out the recovery that is the
    next start's to make. `endpoints` and `numbers` say what the ids mean; messages nobody was told of are left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            source = database.with_name(database.name + suffix)
            if source.exists():
                shutil.copyfile(source, Path(folder) / f"copy.db{suffix}")
        connection = sqlite3.connect(f"{folder}/copy.db")
        try:
            rows = connection.execute("select endpoint, message from deliveries").fetchall()
        finally:
            connection.close()
    return {(endpoints[endpoint], numbers[message]) for endpoint, message in rows if message in numbers}


def count(database: Path, table: str) -> int:
    """Rows in a table of a running server's database."""
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
