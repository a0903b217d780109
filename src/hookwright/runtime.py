"""Puts a process together: the only place that names adapters.

Start: open the store, become a node, take over what a dead process left, look up what is due, listen. Stop: the same
backwards; what was acknowledged is delivered or claimable, and committed, before the process ends (P3).
"""

import asyncio
import contextlib
import gc
import os
import random
import resource
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from hookwright import keyfile
from hookwright.api.app import ApiOptions, create_app
from hookwright.api.endpoint_models import EndpointRules
from hookwright.api.server import serve as serve_http
from hookwright.clock import Clock, SystemClock
from hookwright.config import Settings
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.changes import Changes
from hookwright.engine.directory import Directory
from hookwright.engine.dispatcher import Bounds, Dispatcher
from hookwright.engine.executor import AttemptPolicy, Executor
from hookwright.engine.ingest import Ingest
from hookwright.engine.janitor import Janitor
from hookwright.engine.replays import Replays
from hookwright.engine.secrets import Secrets
from hookwright.engine.services import Services
from hookwright.errors import ConfigurationError
from hookwright.ids import Minter
from hookwright.sender import Sender
from hookwright.senders.http import HttpSender
from hookwright.store import Store
from hookwright.store.deliveries import OpenNode, TakeOver
from hookwright.store.organizations import HasOrganizations
from hookwright.stores.sqlite.store import SqliteStore
from hookwright.vault import Vault, parse_keys


class Chance(msgspec.Struct, frozen=True):
    """Where time and chance come from; a simulation brings its own."""

    clock: Clock
    entropy: Callable[[int], bytes]
    rand: Callable[[], float]


SPARE_FILES = 64
"""Open files beside connections: database, log, standard streams, sockets on their way out."""

SYSTEM = Chance(SystemClock(), random.randbytes, random.random)
"""Ids need to be unique, not secret, so their entropy is the seeded generator's; it costs no system call. Keys, secrets
and nonces never come from here."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    policy: AttemptPolicy = AttemptPolicy()
    bounds: Bounds = Bounds()
    grace: float = 10.0


@contextlib.asynccontextmanager
async def run_engine(
    store: Store, sender: Sender, vault: Vault, options: EngineOptions, chance: Chance = SYSTEM
) -> AsyncIterator[Services]:
    """The engine at work on `store`, for the length of a block; it leaves nothing owned behind."""
    clock, minter = chance.clock, Minter(chance.entropy)
    secrets = Secrets(vault)
    directory = Directory(store, secrets)
    executor = Executor(directory=directory, sender=sender, clock=clock, minter=minter, rand=chance.rand, policy=options.policy)
    owner = await store.write(OpenNode(now=clock.now()))
    await store.write(TakeOver(owner=owner))
    dispatcher = Dispatcher(store=store, directory=directory, executor=executor, clock=clock, owner=owner, bounds=options.bounds)
    called = asyncio.Event()
    replays = Replays(store=store, dispatcher=dispatcher, clock=clock, minter=minter, begin=called.set)
    janitor = Janitor(store=store, dispatcher=dispatcher, replays=replays, clock=clock, called=called)
    services = Services(
        store=store, clock=clock, minter=minter, secrets=secrets, directory=directory,
        changes=Changes(store, directory, dispatcher),
        ingest=Ingest(store=store, dispatcher=dispatcher, clock=clock, minter=minter),
        dispatcher=dispatcher, replays=replays,
    )  # fmt: skip
    try:
        await dispatcher.look_again()  # it begins to deliver: if it fails half-way, that is stopped too
        tidying = asyncio.create_task(janitor.run())
        try:
            yield services
        finally:
            tidying.cancel()
            await asyncio.wait([tidying])
    finally:
        await dispatcher.stop(options.grace)


def engine_options(settings: Settings) -> EngineOptions:
    return EngineOptions(
        policy=AttemptPolicy(
            retries=RetryPolicy(schedule=settings.retry_schedule, jitter=settings.retry_jitter),
            deadline=settings.attempt_timeout,
            header_style=settings.signature_headers,
        ),
        bounds=Bounds(
            attempts=settings.concurrency,
            per_endpoint=settings.endpoint_concurrency,
            queue=settings.queue_size,
            queue_bytes=settings.queue_bytes,
        ),
        grace=settings.shutdown_grace,
    )


class Keys(msgspec.Struct, frozen=True):
    """The secrets of this installation, configured or from its key file."""

    jwt_secret: str
    encryption_keys: str
    created: bool

    def __repr__(self) -> str:
        return "Keys(...)"


def find_keys(settings: Settings) -> Keys:
    """Configured secrets win; what is missing is in the key file, made at the first start. Raises ConfigurationError."""
    jwt_secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    ring = settings.encryption_keys.get_secret_value() if settings.encryption_keys else None
    if jwt_secret is not None and ring is not None:
        return Keys(jwt_secret, ring, False)
    kept = keyfile.open_or_create(settings.key_file)
    return Keys(jwt_secret or kept.jwt_secret, ring or kept.encryption_keys, kept.created)


@contextlib.asynccontextmanager
async def run_application(settings: Settings) -> AsyncIterator[Any]:
    """The ASGI application over a running engine. Raises StoreRefused, ConfigurationError."""
    store = SqliteStore(settings.database_path)
    try:
        keys = find_keys(settings)
        if keys.created and await store.read(HasOrganizations()):
            settings.key_file.unlink()
            raise ConfigurationError(
                f"{settings.database_path} holds data, but its key file {settings.key_file} is gone: restore it, or set "
                "HOOKWRIGHT_ENCRYPTION_KEYS and HOOKWRIGHT_JWT_SECRET; without them stored secrets cannot be opened"
            )
        ring = parse_keys(keys.encryption_keys)
        vault = Vault(ring.keys, ring.current, os.urandom)
        sender = HttpSender(
            settings.allow_networks,
            connections=settings.concurrency,
            stored_limit=settings.response_store_bytes,
            read_limit=settings.response_read_bytes,
        )
        try:
            async with run_engine(store, sender, vault, engine_options(settings)) as services:
                yield create_app(services, api_options(settings, keys))
        finally:
            await sender.close()
    finally:
        await store.close()


def api_options(settings: Settings, keys: Keys) -> ApiOptions:
    rules = EndpointRules(https_only=settings.https_only, allow_networks=settings.allow_networks, most=settings.max_endpoints)
    return ApiOptions(jwt_secret=keys.jwt_secret, portal_url=settings.portal_url, max_body=settings.max_message_bytes, endpoints=rules)


def calm_collector() -> None:
    """What was loaded at the start stays for good, and a message leaves no cycles: look for them seldom.

    Measured: the collector's default takes a tenth of the CPU of a delivered message, and its full runs are the
    longest pauses that a caller sees.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def allow_open_files(wanted: int) -> None:
    """Raise this process's own limit of open files as far as `wanted` and the system allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Run the whole server until `stop` is set. `ready` gets the port. Raises StoreRefused, ConfigurationError."""
    allow_open_files(settings.max_connections + settings.concurrency + SPARE_FILES)
    async with run_application(settings) as app:
        calm_collector()
        await serve_http(
            app, host=settings.host, port=settings.port, stop=stop, ready=ready, limits=settings.limits(),
            grace_seconds=settings.shutdown_grace,
        )  # fmt: skip
