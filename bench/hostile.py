"""`python -m bench.hostile`: a real server under attack, and a caller beside it that behaves.

Each attack is measured against the same caller without it: how much memory the server took, when it hung up, and what
the caller noticed. At the end SIGTERM under load. The exit status is 0 if every promise was kept:

- memory grows by at most `GROWTH_MIB` an attack (`VmHWM`, the most the process ever had);
- every hostile connection is closed within its limit (HOOKWRIGHT_HEADER_SECONDS and so on, at their defaults);
- the caller's requests all succeed, and its p99 is at most `RATIO` times that without the attack, or `MORE_MS` more;
- a server told to stop ends with status 0 within its grace, and all it acknowledged is delivered after the next start.
"""

import argparse
import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import uvloop
from rich.console import Console

from bench.figures import PATIENCE_SECONDS, percentile
from bench.generator import body
from bench.report import Progress, Report, show
from bench.setup import prepare
from bench.wire import Calling, connect, post
from bench.world import ROOT, Server, SinkProcess, world
from hookwright.api.departures import LINGER_SECONDS
from hookwright.api.limits import Limits

LIMITS = Limits()
GROWTH_MIB = 64.0
RATIO, MORE_MS = 2.0, 20.0
SLACK_SECONDS = 2.5
"""Between a limit and the moment a client sees the end: a sweep a second, and this machine's own delays."""

GRACE_SECONDS = 10.0
FLOOD_BYTES, PIECE = 200_000_000, b"v" * 1_000_000
FLOODS, HELD, IDLE, LOADERS = 8, 200, 2000, 16
WARM = 20
PING = b"GET /api/v1/health/ping HTTP/1.1\r\nhost: localhost\r\n\r\n"


# The caller that behaves: a process of its own.


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` of pings and as many messages a second, until standard input ends; or, with `loaders`, as many messages as
    go through that many connections until the server is gone.
    """

    port: int
    path: str
    token: str
    rate: float = 100.0
    loaders: int = 0


class Noticed(msgspec.Struct, frozen=True):
    """Milliseconds from when each request was meant to start, sorted; and the ids of all messages acknowledged."""

    ping: list[float]
    create: list[float]
    accepted: list[str]
    failed: int


class Caller:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.ping: list[float] = []
        self.create: list[float] = []
        self.accepted: list[str] = []
        self.failed = self._number = 0
        self._run = f"{time.time_ns():x}"
        self._message = body(500, -1, random.Random(0))

    def _next(self) -> bytes:
        self._number += 1
        return post(self.calls.path, self.calls.token, self._message, f"hostile-{self._run}-{self._number}")

    async def _send(self, connection: Calling, request: bytes, creates: bool) -> None:
        answered = await connection.request(request)
        if answered.status // 100 != 2:
            self.failed += 1
        elif creates:
            self.accepted.append(msgspec.json.decode(answered.body)["id"])

    async def steady(self, times: list[float], creates: bool, ended: asyncio.Event) -> None:
        connection = await connect("127.0.0.1", self.calls.port)
        for _ in range(WARM):
            await self._send(connection, self._next() if creates else PING, creates)
        self._ready()
        began, number = time.monotonic(), 0
        while not ended.is_set():
            intended = began + number / self.calls.rate
            number += 1
            await asyncio.sleep(max(0.0, intended - time.monotonic()))
            try:
                await self._send(connection, self._next() if creates else PING, creates)
            except ConnectionError:
                self.failed += 1
                connection = await connect("127.0.0.1", self.calls.port)
            times.append((time.monotonic() - intended) * 1000)

    def _ready(self) -> None:
        sys.stdout.write("\n")
        sys.stdout.flush()

    async def heavy(self) -> None:
        with suppress(ConnectionError):  # until nobody listens any more
            while True:
                connection = await connect("127.0.0.1", self.calls.port)
                with suppress(ConnectionResetError):
                    while True:
                        await self._send(connection, self._next(), True)

    async def run(self) -> Noticed:
        if self.calls.loaders:
            self._ready()
            await asyncio.gather(*(self.heavy() for _ in range(self.calls.loaders)))
        else:
            ended = asyncio.Event()
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
            await asyncio.gather(self.steady(self.ping, False, ended), self.steady(self.create, True, ended))
        return Noticed(sorted(self.ping), sorted(self.create), self.accepted, self.failed)


class Account(NamedTuple):
    """A caller at work, and a way to its account."""

    process: "subprocess.Popen[bytes]"
    written: IO[bytes]

    def end(self) -> Noticed:
        self.process.communicate()  # it ends with its standard input
        self.written.seek(0)
        return msgspec.json.decode(self.written.read(), type=Noticed)


@contextmanager
def calling(calls: Calls) -> Iterator[Account]:
    with tempfile.TemporaryFile() as written:  # a pipe would be full before anybody reads it
        process = subprocess.Popen([sys.executable, "-m", "bench.hostile", "--caller"], stdin=subprocess.PIPE, stdout=written, cwd=ROOT)
        try:
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(calls) + b"\n")
            process.stdin.flush()
            while not os.fstat(written.fileno()).st_size:  # its own start is not what is measured
                time.sleep(0.01)
            yield Account(process, written)
        finally:
            process.kill()
            process.wait()


# Attacks: each returns, for every connection, its seconds from the first byte to the end.


class Attack(NamedTuple):
    name: str
    carry_out: Callable[[Server, str], Coroutine[None, None, list[float]]]
    limit: float
    """Seconds within which every connection has to be closed."""


async def _end_of(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass


async def _flood(port: int) -> float:
    """One header of 200 MB, or as much of it as is taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    with suppress(ConnectionError):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\na: ")
        for _ in range(FLOOD_BYTES // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
    await _end_of(reader)
    writer.transport.abort()
    return time.monotonic() - began


async def _hold(port: int, opening: bytes, drip: bytes) -> float:
    """Say `opening`, then `drip` once a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(opening)
    end = asyncio.ensure_future(_end_of(reader))
    while not (await asyncio.wait({end}, timeout=1.0 if drip else None))[0]:
        writer.write(drip)
    writer.transport.abort()
    return time.monotonic() - began


async def headers_flood(server: Server, path: str) -> list[float]:
    """Always two at once."""
    return [closed for _ in range(FLOODS // 2) for closed in await asyncio.gather(_flood(server.port), _flood(server.port))]


async def header_drip(server: Server, path: str) -> list[float]:
    return await asyncio.gather(*(_hold(server.port, b"GET / HTTP/1.1\r\nhost: x\r\na: ", b"v") for _ in range(HELD)))


async def body_drip(server: Server, path: str) -> list[float]:
    head = post(path, server.token, b"", "hostile").replace(b"content-length: 0", b"content-length: 100000")
    return await asyncio.gather(*(_hold(server.port, head + b"{", b" ") for _ in range(HELD)))


async def idle(server: Server, path: str) -> list[float]:
    held = []
    for number in range(IDLE):
        held.append(asyncio.create_task(_hold(server.port, b"", b"")))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    return await asyncio.gather(*held)


# The slow reader of a body is judged from `body_grace_seconds` on: by then it has to have kept up the rate.
ATTACKS = (
    Attack(f"{FLOODS} x 200 MB of headers", headers_flood, LINGER_SECONDS + SLACK_SECONDS),
    Attack(f"{HELD} headers that never end", header_drip, LIMITS.header_seconds + SLACK_SECONDS),
    Attack(f"{HELD} bodies at 1 B/s", body_drip, LIMITS.body_grace_seconds + 1.0 + SLACK_SECONDS),
    Attack(f"{IDLE} idle connections", idle, LIMITS.header_seconds + SLACK_SECONDS),
)


# Measuring


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """One attack. Times in milliseconds but for `closed_s`; memory in MiB."""

    attack: str
    seconds: float
    memory_before: float
    memory_growth: float
    closed_s: float
    limit_s: float
    ping: tuple[float, float]
    ping_without: tuple[float, float]
    create: tuple[float, float]
    create_without: tuple[float, float]
    requests: int
    failed: int

    def kept(self) -> bool:
        unhurt = all(
            during[1] <= RATIO * without[1] or during[1] <= without[1] + MORE_MS
            for during, without in ((self.ping, self.ping_without), (self.create, self.create_without))
        )
        return unhurt and not self.failed and self.requests > 0 and self.memory_growth <= GROWTH_MIB and self.closed_s <= self.limit_s


def _shares(times: Sequence[float]) -> tuple[float, float]:
    return percentile(times, 0.5), percentile(times, 0.99)


def meet(server: Server, path: str, attack: Attack, seconds: float) -> Met:
    """The caller alone for `seconds`, then under the attack for as long as that lasts."""
    calls = Calls(port=server.port, path=path, token=server.token)
    with calling(calls) as alone:
        time.sleep(seconds)
        without = alone.end()
    before = server.memory_mib("VmHWM")
    with calling(calls) as beside:
        began = time.monotonic()
        closed = uvloop.run(attack.carry_out(server, path))
        took = time.monotonic() - began
        during = beside.end()
    return Met(
        attack=attack.name, seconds=took, memory_before=before, memory_growth=server.memory_mib("VmHWM") - before,
        closed_s=max(closed), limit_s=attack.limit, ping=_shares(during.ping), ping_without=_shares(without.ping),
        create=_shares(during.create), create_without=_shares(without.create), requests=len(during.ping) + len(during.create),
        failed=during.failed + without.failed,
    )  # fmt: skip


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    seconds: float
    accepted: int
    lost: int
    twice: int

    def kept(self) -> bool:
        return self.status == 0 and self.seconds <= GRACE_SECONDS and not self.lost and self.accepted > 0


def stop_under_load(seconds: float) -> Stopped:
    """SIGTERM while messages are created and delivered as fast as they can be; then a start, and a count."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sink = SinkProcess()
        first = Server(Path(folder))
        try:
            path = prepare(first, sink)
            with calling(Calls(port=first.port, path=path, token=first.token, loaders=LOADERS)) as load:
                time.sleep(seconds)
                began = time.monotonic()
                first.process.send_signal(signal.SIGTERM)
                status = first.process.wait(60)
                took = time.monotonic() - began
                accepted = load.end().accepted
            second = Server(Path(folder))
            try:
                sink.wait_for(len(accepted), PATIENCE_SECONDS)
                arrived = [ident for path in sink.arrivals().values() for ident, _ in path]
            finally:
                second.end()
        finally:
            first.end()
            sink.end()
    lost = len(set(accepted) - set(arrived))
    return Stopped(status=status, seconds=took, accepted=len(accepted), lost=lost, twice=len(arrived) - len(set(arrived)))


COLUMNS = ("attack", "lasted s", "memory MiB", "closed s", "ping ms, without", "during", "create ms, without", "during", "failed", "kept")


def hostile(seconds: float, progress: Progress) -> Report:
    """All attacks on one server, then the stop of another; `seconds`: how long the caller is watched alone, and the load."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * IDLE)), hard))
    met: list[Met] = []
    with world() as (server, sink):
        path = prepare(server, sink)
        for attack in ATTACKS:
            met.append(meet(server, path, attack, seconds))
            progress(f"{attack.name}: closed in {met[-1].closed_s:.1f} s, {met[-1].memory_growth:+.1f} MiB")
    stopped = stop_under_load(seconds)
    end = (
        f"SIGTERM under load: exit status {stopped.status} after {stopped.seconds:.2f} s; of {stopped.accepted} acknowledged messages "
        f"{stopped.lost} were lost and {stopped.twice} came twice."
    )
    bounds = (
        f"Times are p50 / p99. Bounds: {GROWTH_MIB:g} MiB more; closed within the time behind the slash; p99 at most {RATIO:g} times, or "
        f"{MORE_MS:g} ms, more; nothing failed."
    )
    return Report(
        title="hostile: a caller with 100 pings and 100 messages a second, without and beside each attack",
        columns=COLUMNS, rows=tuple(_row(each) for each in met), notes=(bounds, end),
        figures={"attacks": [msgspec.to_builtins(each) for each in met], "stop": msgspec.to_builtins(stopped)},
        kept=stopped.kept() and all(each.kept() for each in met),
    )  # fmt: skip


def _row(m: Met) -> tuple[str, ...]:
    times = [f"{each[0]:.1f} / {each[1]:.1f}" for each in (m.ping_without, m.ping, m.create_without, m.create)]
    memory, closed = f"{m.memory_before:.0f} {m.memory_growth:+.1f}", f"{m.closed_s:.1f} / {m.limit_s:g}"
    return (m.attack, f"{m.seconds:.1f}", memory, closed, *times, str(m.failed), "yes" if m.kept() else "NO")


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m bench.hostile", description="A real server under attack, over loopback.")
    made.add_argument("--seconds", type=float, default=8.0, help="how long the caller is watched without an attack (default 8)")
    made.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    made.add_argument("--caller", action="store_true", help=argparse.SUPPRESS)
    o = made.parse_args(arguments)
    if o.caller:
        calls = msgspec.json.decode(sys.stdin.buffer.readline(), type=Calls)
        sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(Caller(calls).run())))
        return 0
    report = hostile(o.seconds, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    if o.json:
        print(msgspec.json.encode(report).decode())
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 170))
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
