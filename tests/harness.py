"""Real servers and real receivers for tests, each in a thread or a process of its own.

`running_server` runs the whole program in a thread with its own event loop, so that a test may block. `ServerProcess`
is `hookwright serve` as users start it, for whatever kills it. `Receiver` is an HTTP server that records what it gets.
"""

import asyncio
import contextlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
import uvloop
from aiohttp import web

from hookwright.config import Settings
from hookwright.domain.organizations import DEFAULT_ORGANIZATION
from hookwright.runtime.server import serve
from tests.ports import free_port as free_port

SECRET = "a secret for tests, long enough for HS256"
START_SECONDS = 60.0
"""A start takes one second of CPU; on a machine that many share that can be a minute."""
SHUTDOWN_SECONDS = 0.1
"""What is still answered when a receiver ends; zero would be without end."""


def org_token(organization: str = DEFAULT_ORGANIZATION, secret: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": organization, **claims}, secret, algorithm="HS256")


class Server(msgspec.Struct, frozen=True):
    url: str
    port: int
    token: str
    database: Path


@contextlib.contextmanager
def running_server(folder: Path, **settings: Any) -> Iterator[Server]:
    """The whole program on a free port, its data in `folder`, loopback receivers allowed. Stops gracefully at the end."""
    database = folder / "hookwright.db"
    values = {
        "host": "127.0.0.1",
        "port": 0,
        "database": f"sqlite:///{database}",
        "jwt_secret": SECRET,
        "allow_networks": "127.0.0.0/8,::1/128",
    }
    loaded = Settings.load(**(values | settings))
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []
    failed: list[BaseException] = []
    event = threading.Event()

    async def main() -> None:
        stop = asyncio.Event()

        def ready(port: int) -> None:
            started.append((asyncio.get_running_loop(), stop, port))
            event.set()

        await serve(loaded, stop, ready)

    def run() -> None:
        try:
            uvloop.run(main())
        except BaseException as error:
            failed.append(error)
        finally:
            event.set()

    thread = threading.Thread(target=run, name="server")
    thread.start()
    assert event.wait(START_SECONDS)
    if failed:
        raise failed[0]
    loop, stop, port = started[0]
    try:
        yield Server(f"http://127.0.0.1:{port}", port, org_token(), database)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_SECONDS)
        assert not thread.is_alive()
        if failed:
            raise failed[0]


class ServerProcess:
    """`hookwright serve` in a process of its own; `start` may be called again after a kill."""

    module: tuple[str, ...] = ("hookwright", "serve")

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self.folder, self.port, self.url = folder, port, f"http://127.0.0.1:{port}"
        self.database = folder / "hookwright.db"
        self.token = org_token()
        self._environment = (
            os.environ
            | {
                "HOOKWRIGHT_PORT": str(port),
                "HOOKWRIGHT_DATABASE": f"sqlite:///{self.database}",
                "HOOKWRIGHT_JWT_SECRET": SECRET,
                "HOOKWRIGHT_ALLOW_NETWORKS": "127.0.0.0/8",
            }
            | environment
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start, and wait for the first answer; how many seconds that took."""
        began = time.monotonic()
        self.spawn()
        self.wait()
        return time.monotonic() - began

    def set(self, **environment: str) -> None:
        """Variables that the next start has."""
        self._environment |= environment

    def wait(self, seconds: float = START_SECONDS) -> None:
        """For the first answer after `spawn`."""
        process, began = self.process, time.monotonic()
        assert process is not None
        while time.monotonic() - began < seconds:
            if process.poll() is not None:
                raise AssertionError(f"the server ended with {process.returncode}: {self.log()}")
            if answers(self.port):
                return
            time.sleep(0.01)
        raise AssertionError(f"the server did not answer: {self.log()}")

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start, and wait for nothing."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", *self.module], env=self._environment, stderr=log, stdout=log)
        return self.process

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()[-4000:]

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def answers(port: int) -> bool:
    """Whether a server answers the ping at this port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health/ping")
        return connection.getresponse().status == 204
    except OSError:
        return False
    finally:
        connection.close()


class Received(msgspec.Struct, frozen=True):
    """One request as it arrived. `headers` keeps order and spelling; `at` is `time.time()`."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    peer: str | None = None
    """Whom its client certificate names."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Answer = Callable[[Received], "web.StreamResponse | Awaitable[web.StreamResponse]"]


class Receiver:
    """Records every request; `answer` decides what it gets (default: 200 `ok`)."""

    def __init__(self, answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.answer = answer or (lambda _: web.Response(text="ok"))
        self.requests: list[Received] = []
        self._arrived = threading.Condition()

    def __enter__(self) -> "Receiver":
        started = threading.Event()

        async def live() -> None:
            self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
            runner = web.AppRunner(_application(self._handle), handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096, ssl_context=self._tls)
            await site.start()
            self.port = int(runner.addresses[0][1])
            started.set()
            await self._end.wait()
            await runner.cleanup()

        self._thread = threading.Thread(target=lambda: asyncio.run(live()), name="receiver", daemon=True)
        self._thread.start()
        assert started.wait(START_SECONDS)
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/hook"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers)
        received = Received(request.method, request.path_qs, headers, await request.read(), time.time(), _peer_of(request))
        with self._arrived:
            self.requests.append(received)
            self._arrived.notify_all()
        answer = self.answer(received)
        return await answer if not isinstance(answer, web.StreamResponse) else answer

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Received]:
        """The requests, as soon as there are `count`. Fails when they do not come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, seconds), f"{len(self.requests)} of {count} arrived"
            return list(self.requests)


def _peer_of(request: web.Request) -> str | None:
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    return dict(pair for part in certificate["subject"] for pair in part)["commonName"] if certificate else None


def _application(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", handler)
    return application
