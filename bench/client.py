"""What one request out costs: the sender beside aiohttp's client, set up to do the same, and beside next to nothing.

All in this process and in turn, to the same sink, over connections that are kept; counted is this process's CPU.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import uvloop

from bench import wire
from bench.report import Progress, Report, print_report
from bench.world import SinkProcess
from hookwright.domain.egress import Egress, parse_openings
from hookwright.sender import Request, Response
from hookwright.senders.http import HttpSender

DEADLINE = 30.0
HEADERS = (
    ("Content-Type", "application/json"),
    ("webhook-id", "msg_2ZBMcE0yHhlhUvDqVHuAS8eoN7d"),
    ("webhook-timestamp", "1700000000"),
    ("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
)

Send = Callable[[], Awaitable[None]]


@asynccontextmanager
async def by_sender(port: int, body: bytes, connections: int) -> AsyncIterator[Send]:
    sender = HttpSender(Egress(allowed=parse_openings(["127.0.0.0/8"])), connections=connections)
    url = f"http://127.0.0.1:{port}/hook"

    async def send() -> None:
        result = await sender.send(Request(url, HEADERS, body, DEADLINE))
        assert isinstance(result, Response)
        assert result.status == 200

    try:
        yield send
    finally:
        await sender.close()


@asynccontextmanager
async def by_aiohttp(port: int, body: bytes, connections: int) -> AsyncIterator[Send]:
    """Without what it does for browsers, but also without an address guard and limits on what is read."""
    url = f"http://127.0.0.1:{port}/hook"
    connector = aiohttp.TCPConnector(limit=connections, use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, timeout=timeout
    ) as session:

        async def send() -> None:
            async with asyncio.timeout(DEADLINE), session.post(url, data=body, headers=HEADERS, allow_redirects=False) as response:
                await response.read()
                assert response.status == 200

        yield send


@asynccontextmanager
async def by_wire(port: int, body: bytes, connections: int) -> AsyncIterator[Send]:
    """A socket, a parser and a future: no deadline, no limits, no pool, and the head is written beforehand."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS)
    data = f"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
    unused = [await wire.connect("127.0.0.1", port) for _ in range(connections)]
    opened = list(unused)

    async def send() -> None:
        connection = unused.pop()
        assert (await connection.request(data)).status == 200
        unused.append(connection)

    try:
        yield send
    finally:
        for each in opened:
            each.transport.close()


CLIENTS = {"aiohttp": by_aiohttp, "the sender": by_sender, "socket and parser": by_wire}


async def _time(name: str, port: int, *, requests: int, connections: int, size: int) -> float:
    """Microseconds of CPU a request, after connections have been made and a tenth as many requests as a warm-up."""
    left = 0

    async def work(send: Send) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await send()

    async with CLIENTS[name](port, b"x" * size, connections) as send:
        for count in (max(connections, requests // 10), requests):
            left = count
            began = time.process_time()
            await asyncio.gather(*(work(send) for _ in range(connections)))
            spent = time.process_time() - began
    return spent / requests * 1e6


def client(requests: int, rounds: int, connections: int, size: int, progress: Progress) -> Report:
    sink = SinkProcess()
    found: dict[str, list[float]] = {name: [] for name in CLIENTS}
    try:
        for number in range(rounds):
            for name, times in found.items():
                timed = partial(_time, name, sink.port, requests=requests, connections=connections, size=size)
                times.append(uvloop.run(timed()))
            sink.forget()
            progress(f"round {number + 1} of {rounds}: " + ", ".join(f"{name} {times[-1]:.1f}" for name, times in found.items()))
    finally:
        sink.end()
    ratios = {name: [one / base for one, base in zip(times, found["aiohttp"], strict=True)] for name, times in found.items()}
    return Report(
        title=f"CPU of one request out, {size} bytes, {connections} connections, {rounds} rounds of {requests}",
        columns=("client", "us, median", "from", "to", "of aiohttp's, median"),
        rows=tuple(
            (name, f"{statistics.median(times):.1f}", f"{min(times):.1f}", f"{max(times):.1f}", f"{statistics.median(ratios[name]):.2f}")
            for name, times in found.items()
        ),
        figures={"us": found, "ratios": ratios},
    )


def main(arguments: Sequence[str]) -> int:
    made = argparse.ArgumentParser(prog="python -m bench client", description=__doc__)
    made.add_argument("--requests", type=int, default=20_000, help="a round and client (default 20000)")
    made.add_argument("--rounds", type=int, default=5, help="turns of each client (default 5)")
    made.add_argument("--connections", type=int, default=64, help="requests under way (default 64)")
    made.add_argument("--size", type=int, default=500, help="body bytes (default 500)")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    o = made.parse_args(arguments)
    report = client(o.requests, o.rounds, o.connections, o.size, lambda line: print(f"  {line}", flush=True) if not o.json else None)
    print_report(report, as_json=o.json)
    return 0
