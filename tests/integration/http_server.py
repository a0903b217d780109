"""Servers for tests of the HTTP side alone: a small application behind our real one, over real sockets.

`run` serves as the program does. `run_by_hand` has the same protocol under a clock that only the test moves, so that a
time limit is reached when the test says so, however slow the machine.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvloop
from uvicorn.server import ServerState

from hookwright.api.connections import Connection
from hookwright.api.guard import Guard
from hookwright.api.limits import Limits
from hookwright.api.server import http_config, serve

PATIENT = Limits()
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE = 16_000_000
"""More than the kernel's buffers between two sockets hold."""


class App:
    """Answers with the request's body. /wait does so after `gate` opens, /early before the body is read, /large with
    more than a peer takes unread. /goodbye answers early and closes, /late does so after `gate` opens. Keeps what it saw.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.headers: list[tuple[bytes, bytes]] = []
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.paths.append(path)
        self.entered.set()
        if path in ("/wait", "/late"):
            await self.gate.wait()
        body = b""
        while path not in ("/early", "/goodbye", "/late"):
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.headers = scope["headers"]
        if path == "/large":
            body = b"b" * LARGE
        headers = [(b"content-length", str(len(body)).encode()), *([(b"connection", b"close")] if path in ("/goodbye", "/late") else [])]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Peers:
    """The clients of one server."""

    def __init__(self, app: App, port: int) -> None:
        self.app, self.port = app, port

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def say(self, *pieces: bytes) -> bytes:
        """Everything that is answered to `pieces` until the server closes."""
        async with self.connect() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()


class Server(Peers):
    def __init__(self, app: App, port: int, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        super().__init__(app, port)
        self.stop, self.task = stop, task


def run(scenario: Callable[[Server], Awaitable[None]], limits: Limits = PATIENT, grace_seconds: float = 5.0) -> None:
    async def main() -> None:
        app, stop = App(), asyncio.Event()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = serve(app, host="127.0.0.1", port=0, limits=limits, stop=stop, ready=port.set_result, grace_seconds=grace_seconds)
        task = asyncio.create_task(serving)
        either: set[asyncio.Future[Any]] = {task, port}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        server = Server(app, await port, stop, task)
        try:
            await scenario(server)
        finally:
            app.gate.set()
            stop.set()
            await task

    uvloop.run(main())


class HandClock:
    """What a connection wants of its event loop, with a time that stands still."""

    def __init__(self) -> None:
        self.now = 0.0
        self.create_task = asyncio.get_running_loop().create_task
        self.call_soon = asyncio.get_running_loop().call_soon

    def time(self) -> float:
        return self.now


class HandServer(Peers):
    """`pass_time` is the only thing that lets time go by."""

    def __init__(self, app: App, port: int, guard: Guard, clock: HandClock) -> None:
        super().__init__(app, port)
        self.guard, self._clock = guard, clock

    @property
    def now(self) -> float:
        return self._clock.now

    def pass_time(self, seconds: float) -> None:
        self._clock.now += seconds
        for _ in self.guard.sweep(self._clock.now, seconds):
            pass

    async def connection(self, condition: Callable[[Connection], bool] = lambda _: True) -> Connection:
        """The server's end of the only connection there is, as soon as `condition` is true of it."""
        while True:
            for each in self.guard.state.connections:
                assert isinstance(each, Connection)
                if condition(each):
                    return each
            await asyncio.sleep(0.001)

    async def nobody(self) -> None:
        while self.guard.state.connections:  # noqa: ASYNC110 (the server tells of no such event)
            await asyncio.sleep(0.001)


def run_by_hand(scenario: Callable[[HandServer], Awaitable[None]], limits: Limits = PATIENT) -> None:
    async def main() -> None:
        app, state, clock = App(), ServerState(), HandClock()
        guard, config = Guard(limits, state), http_config(app)

        def connection() -> Connection:
            return Connection(config, state, clock, guard)  # type: ignore[arg-type]

        listening = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
        try:
            await scenario(HandServer(app, listening.sockets[0].getsockname()[1], guard, clock))
        finally:
            app.gate.set()
            listening.close()
            guard.abort()

    uvloop.run(main())


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One response with a content length: its status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(head.split()[1]), await reader.readexactly(length)


def status(response: bytes) -> int:
    return int(response.split()[1])
