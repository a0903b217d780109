"""HTTP/1.1 as cheap as Python has it, for both ends of a measurement: what they cost is taken from the same two cores.

Not a client or a server for general use: bodies have a content length, and nothing is pipelined.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools


class Arrived(NamedTuple):
    """One request. Header names are lower case; `at` is `time.monotonic()`, which all processes of a machine share."""

    method: bytes
    path: str
    headers: dict[bytes, bytes]
    body: bytes
    at: float


def answer(status: int, body: bytes = b"ok", headers: bytes = b"") -> bytes:
    """The bytes of an answer; `headers` are whole lines."""
    return b"HTTP/1.1 %d -\r\ncontent-length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


class Serving(asyncio.Protocol):
    """One connection of a receiver; `handle` gets each request and this connection, and calls `reply` now or later."""

    def __init__(self, handle: Callable[[Arrived, "Serving"], None], connections: set["Serving"]) -> None:
        self._handle, self._connections = handle, connections
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.open = True
        self._connections.add(self)
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._path, self._body = b"", b""
        self._headers: dict[bytes, bytes] = {}

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method()
        self._handle(Arrived(method, self._path.decode("latin-1"), self._headers, self._body, time.monotonic()), self)

    def reply(self, data: bytes, *, close: bool = False) -> bool:
        """Write an answer; whether the other end was still there to take it."""
        if not self.open:
            return False
        self.transport.write(data)
        if close:
            self.transport.close()
        return True


class Answered(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Calling(asyncio.Protocol):
    """One kept-alive connection of a client, one request at a time."""

    open = False
    _waiter: "asyncio.Future[Answered] | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.open = True
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("the connection ended before its answer"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.open = False
            self.transport.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(Answered(self._parser.get_status_code(), self._headers, self._body))

    async def request(self, data: bytes) -> Answered:
        """Send a whole request and wait for its answer. Raises ConnectionResetError."""
        if not self.open:
            raise ConnectionResetError("the connection is closed")
        self._parser, self._body = httptools.HttpResponseParser(self), b""
        self._headers: dict[bytes, bytes] = {}
        self._waiter = self._loop.create_future()
        self.transport.write(data)
        return await self._waiter


async def connect(host: str, port: int) -> Calling:
    """Raises OSError."""
    _, protocol = await asyncio.get_running_loop().create_connection(Calling, host, port)
    return protocol


def post(path: str, token: str, body: bytes, key: str) -> bytes:
    """A request that creates something, with an idempotency key as client libraries send it."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer {token}\r\n"
        f"idempotency-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
