"""Listening, and stopping to listen.

uvicorn's HTTP protocol does the talking (`connections`), but not its server: that one installs signal handlers, ends
the process by signal, and exits the interpreter when it cannot bind. Who runs this decides when it stops (`stop`), and
gets the reason as an error when it cannot start.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from hookwright.api.connections import connection_factory
from hookwright.api.guard import Guard
from hookwright.api.limits import Limits
from hookwright.errors import ConfigurationError

__all__ = ["Limits", "serve"]

BACKLOG = 2048
"""Connections the kernel holds while we are busy; it cuts this to `net.core.somaxconn` by itself."""

LOOKUP_SECONDS = 3.0
"""How long the name of our own host may take to be found. The system's resolver would try for half a minute."""


async def serve(
    app: Any,
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    limits: Limits | None = None,
    ready: Callable[[int], None] | None = None,
    grace_seconds: float = 10.0,
    sockets: Sequence[socket.socket] | None = None,
) -> None:
    """Answer HTTP with the ASGI `app` until `stop` is set and the requests under way are finished.

    `port` 0 lets the system choose; `ready` is called with the port once connections are accepted. Listening
    `sockets`, if given, are used in place of host and port, and closed at the end. After `grace_seconds` what is still under way is
    cut off and its task cancelled. The app gets no lifespan events. Raises ConfigurationError when the address cannot be had.
    """
    state = ServerState()
    guard = Guard(limits or Limits(), state)
    _renew_date(state)
    servers = await _listen(connection_factory(http_config(app), state, guard), host, port, sockets)
    try:
        if ready is not None:
            ready(servers[0].sockets[0].getsockname()[1])
        await _sweep_until(stop, guard, seconds=None)
        for server in servers:
            server.close()
        guard.stop()
        end = asyncio.get_running_loop().time() + grace_seconds
        await _sweep_until(guard.quiet, guard, seconds=grace_seconds)
        await _finish_tasks(guard, end)
    finally:
        for server in servers:
            server.close()
        await _cut_off(guard)


def http_config(app: Any) -> Config:
    """What uvicorn's protocol wants to know: this app, no lifespan, no logs, no word about itself."""
    config = Config(
        app,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    config.load()
    return config


async def _listen(
    factory: Callable[[], asyncio.Protocol], host: str, port: int, sockets: Sequence[socket.socket] | None
) -> list[asyncio.Server]:
    loop = asyncio.get_running_loop()
    if not 0 <= port <= 65_535:  # uvloop would listen on the remainder
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host}, HOOKWRIGHT_PORT={port}: a port is at most 65535")
    try:
        if sockets is not None:
            return [await loop.create_server(factory, sock=each, backlog=BACKLOG) for each in sockets]
        return [await loop.create_server(factory, await _addresses(host), port, backlog=BACKLOG)]
    except TimeoutError as error:
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host}: no name server has answered for {LOOKUP_SECONDS:g} s") from error
    except OSError as error:
        known = error.errno is not None and not isinstance(error, socket.gaierror)
        cause = os.strerror(error.errno) if known else error.strerror or str(error)  # type: ignore[arg-type]
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host}, HOOKWRIGHT_PORT={port}: cannot listen there: {cause}") from error
    except ValueError as error:
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host!r}, HOOKWRIGHT_PORT={port}: this is not an address: {error}") from error


async def _addresses(host: str) -> list[str]:
    """The addresses of a host; those that are no names stay as they are. Raises OSError, TimeoutError.

    The loop's own lookup runs in a pool that is waited for at the end: a resolver that hangs would keep the process.
    """
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return [host]
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look_up() -> None:
        addresses: list[str] = []
        failure: Exception | None = None
        try:
            for *_, address in socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
                if (each := str(address[0])) not in addresses:
                    addresses.append(each)
        except (OSError, ValueError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    async with asyncio.timeout(LOOKUP_SECONDS):
        return await found


async def _sweep_until(event: asyncio.Event, guard: Guard, *, seconds: float | None) -> None:
    """Sweep once a tick until `event` is set, or that many seconds have passed."""
    loop = asyncio.get_running_loop()
    tick = guard.limits.tick()
    swept = loop.time()
    end = None if seconds is None else swept + seconds
    while not event.is_set() and (end is None or loop.time() < end):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(tick if end is None else min(tick, end - loop.time())):
                await event.wait()
        now = loop.time()
        for _ in guard.sweep(now, now - swept):
            await asyncio.sleep(0)
        swept = now
        _renew_date(guard.state)


async def _finish_tasks(guard: Guard, end: float) -> None:
    """An application may go on working after its answer is out; that counts as under way, too."""
    if guard.state.tasks:
        await asyncio.wait(set(guard.state.tasks), timeout=max(0.0, end - asyncio.get_running_loop().time()))


def _renew_date(state: ServerState) -> None:
    """RFC 9110, 6.6.1: an origin server with a clock sends Date. Formatting it once a tick is enough."""
    state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]


async def _cut_off(guard: Guard) -> None:
    """End what outlived the grace: first the sockets, so that no cancelled request is answered with a 500."""
    guard.abort()
    await asyncio.sleep(0)
    tasks = [task for task in guard.state.tasks if not task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
