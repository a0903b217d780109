"""The experiment behind docs/design/group-commit.md: where a group's statements and its commit had better run.

Groups of `ROWS` rows of `STATEMENTS` statements each are committed one after another, while the loop is idle or kept
busy by connections that never rest, with a short piece of Python for each answer. Without stepping aside the figures vary
between runs by orders of magnitude: whether the other thread ever gets the interpreter lock is a matter of luck.
"""

import asyncio
import socket
import tempfile
import time
from pathlib import Path
from typing import cast

import apsw
import msgspec
import uvloop

from hookwright.stores.sqlite.offload import ThreadOffload

ROWS = 32
STATEMENTS = 6
CONNECTIONS = 16
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


class _PingPong(asyncio.Protocol):
    """Answers whatever comes with the same, after a piece of Python: a connection of a busy server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        end = time.perf_counter() + PIECE_SECONDS
        while time.perf_counter() < end:
            pass
        self.transport.write(data)


async def _keep_busy() -> list[asyncio.Transport]:
    """Connections within this loop that never rest, so that it always has something to do, with system calls between."""
    loop, transports = asyncio.get_running_loop(), []
    for _ in range(CONNECTIONS):
        for end in socket.socketpair():
            transport, _ = await loop.create_connection(_PingPong, sock=end)
            transports.append(transport)
        transports[-1].write(b"x")
    return transports


async def _run(folder: Path, way: Way, busy: bool, seconds: float) -> float:
    experiment = Experiment(folder)
    busy_connections = await _keep_busy() if busy else []
    try:
        return await _groups(experiment, way, seconds)
    finally:
        for transport in busy_connections:
            transport.abort()
        experiment.close()


def run(way: Way, *, busy: bool, seconds: float) -> float:
    """Rows a second that one way commits."""
    with tempfile.TemporaryDirectory(prefix="offload-") as folder:
        return uvloop.run(_run(Path(folder), way, busy, seconds))
