"""A real server over a database that was filled before, and what is asked of it."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.growth.fills import RING
from bench.growth.shapes import BIG
from bench.wire import connect
from bench.world import Server, SinkProcess, call

APPLICATION = f"/api/v1/app/customer-{BIG}"
REQUESTS = 31
"""Of each list; their median counts."""


class Serving(NamedTuple):
    """`began`, `listened`: monotonic seconds, when the process was started and when it said that it listens."""

    server: Server
    sink: SinkProcess
    began: float
    listened: float


@contextlib.contextmanager
def serving(database: str) -> Iterator[Serving]:
    """A server over `database` whose large application delivers to the sink; both are gone at the end."""
    url = database if database.startswith("postgresql:") else f"sqlite:///{database}"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sink = SinkProcess()
        try:
            began = time.monotonic()
            server = Server(Path(folder), HOOKWRIGHT_DATABASE=url, HOOKWRIGHT_ENCRYPTION_KEYS=RING)
            listened = time.monotonic()
            try:
                deliver_to(server, sink)
                yield Serving(server, sink, began, listened)
            finally:
                server.end()
        finally:
            sink.end()


def deliver_to(server: Server, sink: SinkProcess) -> None:
    """Raises RuntimeError."""
    status, body = call(server.port, "PATCH", f"{APPLICATION}/endpoint/place-0", {"url": f"{sink.url}/hook/fresh"}, server.token)
    if status != 200:
        raise RuntimeError(f"the endpoint cannot be changed: {status} {body!r}")


def latencies(server: Server, paths: list[str]) -> list[float]:
    """Median milliseconds of a GET of each path, one after another on one connection. Raises RuntimeError."""

    async def ask() -> list[float]:
        connection = await connect("127.0.0.1", server.port)
        medians = []
        for path in paths:
            request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {server.token}\r\n\r\n".encode()
            times = []
            for _ in range(REQUESTS):
                began = time.perf_counter()
                answered = await connection.request(request)
                times.append((time.perf_counter() - began) * 1000)
                if answered.status != 200:
                    raise RuntimeError(f"{path}: {answered.status} {answered.body!r}")
            medians.append(sorted(times)[REQUESTS // 2])
        return medians

    return asyncio.run(ask())
