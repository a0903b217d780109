"""The whole server inside a command, on a free loopback port: for a database that nobody serves, and for `demo`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from hookwright.config import Settings
from hookwright.runtime.server import serve


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve for the length of a block; yields the address. Raises StoreRefused, ConfigurationError."""
    stop, ready = asyncio.Event(), asyncio.Event()
    ports: list[int] = []

    def listening(port: int) -> None:
        ports.append(port)
        ready.set()

    server = asyncio.create_task(serve(settings, stop, listening))
    started = asyncio.create_task(ready.wait())
    await asyncio.wait({server, started}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if not ports:
        await server
    try:
        yield f"http://{settings.host}:{ports[0]}"
    finally:
        stop.set()
        await server
