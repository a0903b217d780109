"""The experiment behind docs/design/group-commit.md: where a group's statements and its commit had better run.

Groups of `ROWS` rows of `STATEMENTS` statements each are committed one after another, while the loop is idle or kept
busy with short pieces of Python, as a loop that serves many connections is.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import apsw
import msgspec
import uvloop

from hookwright.stores.sqlite.offload import ThreadOffload

ROWS = 32
STATEMENTS = 6
PIECE_SECONDS = 0.00005
SETUP = "pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 4000"


class Way(msgspec.Struct, frozen=True):
    statements: str
    commit: str


class _Blind(ThreadOffload):
    """The same thread, but the loop does not step aside for it."""

    def _step_aside(self) -> None:
        self._stepping = False


WAYS = (
    Way("writer thread", "writer thread"),
    Way("writer thread", "writer thread, loop steps aside"),
    Way("loop", "writer thread"),
    Way("loop", "writer thread, loop steps aside"),
)


class Experiment:
    def __init__(self, folder: Path) -> None:
        self._connection = apsw.Connection(str(folder / "offload.db"))
        self._connection.execute(SETUP).fetchall()
        for table in range(STATEMENTS):
            self._connection.execute(f"create table t{table} (id integer primary key, body blob)")
        self._inserts = [f"insert into t{table} (body) values (?)" for table in range(STATEMENTS)]
        self.rows = 0

    def statements(self) -> None:
        self._connection.execute("begin immediate")
        for _ in range(ROWS):
            for insert in self._inserts:
                self._connection.execute(insert, (b"x" * 100,))

    def commit(self) -> None:
        self._connection.execute("commit")
        self.rows += ROWS

    def both(self) -> None:
        self.statements()
        self.commit()

    def close(self) -> None:
        self._connection.close()


async def _groups(experiment: Experiment, way: Way, seconds: float) -> float:
    """Rows a second."""
    thread = ThreadOffload("offload") if "aside" in way.commit else _Blind("offload")
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if way.statements == "loop":
            experiment.statements()
            await thread.run(experiment.commit)
        else:
            await thread.run(experiment.both)
    rate = experiment.rows / (time.monotonic() - began)
    thread.close()
    return rate


async def _keep_busy() -> None:
    """Short pieces of work without end, with a poll of the selector after each."""
    while True:
        end = time.perf_counter() + PIECE_SECONDS
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


async def _run(folder: Path, way: Way, busy: bool, seconds: float) -> float:
    experiment = Experiment(folder)
    work = asyncio.create_task(_keep_busy()) if busy else None
    try:
        return await _groups(experiment, way, seconds)
    finally:
        if work is not None:
            work.cancel()
        experiment.close()


def run(way: Way, *, busy: bool, seconds: float) -> float:
    """Rows a second that one way commits."""
    with tempfile.TemporaryDirectory(prefix="offload-") as folder:
        return uvloop.run(_run(Path(folder), way, busy, seconds))
