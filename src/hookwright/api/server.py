"""Listening, and stopping to listen.

uvicorn's HTTP protocol does the talking (`connections`), but not its server: that one installs signal handlers, ends
the process by signal, and exits the interpreter when it cannot bind. Who runs this decides when it stops (`stop`), and
gets the reason as an error when it cannot start.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from hookwright.api.connections import connection_factory
from hookwright.api.guard import Guard
from hookwright.api.limits import Limits
from hookwright.api.listening import listen

__all__ = ["Limits", "serve"]


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
    shared: bool = False,
) -> None:
    """Answer HTTP with the ASGI `app` until `stop` is set and the requests under way are finished.

    `port` 0 lets the system choose; `ready` is called with the port once connections are accepted. A `shared` port is
    listened on by other processes too. Listening `sockets`, if given, are used in place of host and port, and closed at the
    end. After `grace_seconds` what is still under way is cut off and its task cancelled. The app gets no lifespan events. Raises
    ConfigurationError when the address cannot be had.
    """
    state = ServerState()
    guard = Guard(limits or Limits(), state)
    _renew_date(state)
    servers = await listen(connection_factory(http_config(app), state, guard), host, port, sockets, shared=shared)
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
