"""The whole server: store, engine, API, listening.

Start: open the store, check that the keys fit it, become a node, take over what a dead process left, look up what is due
and deliver it, listen.
Stop: the same backwards; what was acknowledged is delivered or claimable, and committed, before the process ends (P3).
"""

import asyncio
import contextlib
import gc
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from types import ModuleType
from typing import Any, TypeVar

from hookwright.config import Settings
from hookwright.engine.services import Services
from hookwright.runtime.database import open_database
from hookwright.runtime.engine import engine_options, run_engine
from hookwright.runtime.keys import check_ring, configured_secrets, find_keys, open_vault
from hookwright.runtime.sandbox import sandbox_of
from hookwright.senders.http import HttpSender

T = TypeVar("T")


class Stopped(Exception):
    """It was asked to stop before its database was open."""


@contextlib.asynccontextmanager
async def run_application(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Any]:
    """The ASGI application over a running engine, which begins nothing new once `stop` is set.

    Raises StoreRefused, ConfigurationError, Stopped.
    """
    configured_secrets(settings)  # before the schema is touched
    async with contextlib.AsyncExitStack() as opened:
        store = await _unless(stop, opened.enter_async_context(open_database(settings, serving=True)))
        keys = await find_keys(settings, store)
        vault = open_vault(keys.encryption_keys)
        await check_ring(settings, store, vault)
        sender = HttpSender(
            settings.egress(),
            proxy=settings.proxy(),
            connections=settings.concurrency,
            stored_limit=settings.response_store_bytes,
            read_limit=settings.response_read_bytes,
        )
        sandbox = sandbox_of(settings)
        try:
            async with run_engine(store, sender, vault, engine_options(settings), stop=stop.set, sandbox=sandbox) as services:
                # Attempts and requests under way have their grace at the same time, not one after the other.
                stopping = asyncio.create_task(_stop_attempts(services, stop, settings.shutdown_grace))
                faces = await asyncio.to_thread(_load_faces)
                try:
                    yield faces.build(services, settings, keys)
                finally:
                    if not stop.is_set():
                        stopping.cancel()
                    await asyncio.wait([stopping])
        finally:
            await sender.close()
            await sandbox.close()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which may wait for as long as another process migrates. Raises Stopped if `stop` is set before."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
    if working.cancelled():
        raise Stopped
    return working.result()


async def _stop_attempts(services: Services, stop: asyncio.Event, grace: float) -> None:
    await stop.wait()
    await services.dispatcher.stop(grace)


def _load_faces() -> ModuleType:
    """Loading the API takes most of a start; meanwhile what is due is being delivered."""
    from hookwright.runtime import faces

    return faces


def calm_collector() -> None:
    """What was loaded at the start stays for good, and a message leaves no cycles: look for them seldom.

    Measured: the collector's default takes a tenth of the CPU of a delivered message, and its full runs are the
    longest pauses that a caller sees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def allow_open_files(wanted: int) -> None:
    """Raise this process's own limit of open files as far as `wanted` and the system allow; `doctor` says if that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # some systems grant less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[int], None], *, shared: bool = False) -> None:
    """Run the whole server until `stop` is set. `ready` gets the port, which may be `shared` with other processes.

    Raises StoreRefused, ConfigurationError.
    """
    allow_open_files(settings.open_files)
    with contextlib.suppress(Stopped):
        await _serve(settings, stop, ready, shared=shared)


async def _serve(settings: Settings, stop: asyncio.Event, ready: Callable[[int], None], *, shared: bool) -> None:
    async with run_application(settings, stop) as app:
        from hookwright.api.server import serve as serve_http  # loaded by now, see `_load_faces`

        calm_collector()
        await serve_http(
            app, host=settings.host, port=settings.port, stop=stop, ready=ready, limits=settings.limits(),
            grace_seconds=settings.shutdown_grace, shared=shared,
        )  # fmt: skip
