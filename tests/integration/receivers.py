"""Receivers over real sockets, that behave and that do not, and senders to try on them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

from hookwright.domain.egress import Egress, parse_openings
from hookwright.sender import Failure, Request, Response
from hookwright.senders.http import HttpSender

LOOPBACK = parse_openings(["127.0.0.0/8", "::1/128"])
EVERY_PORT = ((1, 65535),)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b'{"n":1}'
HEADERS = (("Content-Type", "application/json"), ("webhook-id", "msg_1"), ("X-Custom-CASE", "kept"))

DROPS = 3
"""After so many, with turns of the loop between them, the other side has read what came before."""

Handler = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One connection as the receiver sees it."""

    def __init__(self, receiver: "Receiver", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver, self.reader, self.writer = receiver, reader, writer

    async def request(self) -> bytes:
        """The next whole request; its head and body as they were on the wire."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        whole = head + await self.reader.readexactly(length)
        self._receiver.requests.append(whole)
        self._receiver.requested.set()
        return whole

    async def answer(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.writer.write(chunk)
            await self.writer.drain()

    def stall(self) -> None:
        """Tell the test that the answer gets no further."""
        self._receiver.stalled.set()


class Receiver:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.port = 0
        self.scheme = "http"
        self.connections = 0
        self.requests: list[bytes] = []
        self.requested = asyncio.Event()
        self.stalled = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def receiving(handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            await handler(Connection(receiver, reader, writer))
        receiver.ended.set()
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@asynccontextmanager
async def sending(**options: Any) -> AsyncIterator[HttpSender]:
    egress = options.pop("egress", None) or Egress(allowed=options.pop("allowed", LOOPBACK), ports=EVERY_PORT)
    sender = HttpSender(egress, **options)
    try:
        yield sender
    finally:
        await sender.close()


def request(
    url: str, *, deadline: float = 5.0, headers: tuple[tuple[str, str], ...] = HEADERS, body: bytes = BODY, last: bool = False
) -> Request:
    return Request(url, headers, body, deadline, last)


def answering(*chunks: bytes) -> Handler:
    """Answers every request alike, and keeps the connection."""

    async def handler(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(*chunks)

    return handler


def closing(*chunks: bytes) -> Handler:
    """Answers one request and closes."""

    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(*chunks)

    return handler


async def silent(connection: Connection) -> None:
    await connection.request()
    connection.stall()
    await connection.reader.read()


def dripping(start: bytes, drop: bytes, every: float = 0.02) -> Handler:
    """Says `start`, then `drop` each so many seconds."""

    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(start)
        for drops in count(1):
            await connection.answer(drop)
            await asyncio.sleep(every)
            if drops == DROPS:
                connection.stall()

    return handler


def flooding(start: bytes, chunk: bytes) -> Handler:
    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(start)
        while True:
            await connection.answer(chunk)

    return handler


def pass_time(seconds: float) -> None:
    """Let the running loop's clock be so much further on; whatever was due meanwhile is."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]


def attempt(handler: Handler, *, deadline: float = 5.0, **options: Any) -> Response | Failure:
    """One attempt at a receiver of its own."""

    async def scenario() -> Response | Failure:
        async with receiving(handler) as receiver, sending(**options) as sender:
            return await sender.send(request(receiver.url, deadline=deadline))

    return asyncio.run(scenario())
