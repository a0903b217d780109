"""The engine at work on a store, without any face: what the server runs, and what simulations run."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec

from hookwright.clock import Clock, SystemClock, elapsed
from hookwright.config import Settings
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.access import Admission
from hookwright.engine.bounds import Bounds
from hookwright.engine.cancels import Cancels
from hookwright.engine.changes import Changes
from hookwright.engine.directory import Directory
from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.executor import AttemptPolicy, Executor
from hookwright.engine.handshakes import Handshakes
from hookwright.engine.healths import HealthPolicy
from hookwright.engine.herald import Deliverer, Herald
from hookwright.engine.ingest import Ingest
from hookwright.engine.janitor import Janitor
from hookwright.engine.membership import Membership
from hookwright.engine.news import Follower
from hookwright.engine.notices import Notices
from hookwright.engine.replays import Replays
from hookwright.engine.secrets import Secrets
from hookwright.engine.services import Services
from hookwright.engine.shaping import Shaper
from hookwright.engine.wakeups import Listener, Wakeups
from hookwright.errors import StoreUnavailable
from hookwright.ids import Minter
from hookwright.sandbox import NoSandbox, Sandbox
from hookwright.sender import Sender
from hookwright.store import Store
from hookwright.store.nodes import CloseNode, OpenNode, TakeOver
from hookwright.vault import Vault

DAY_MS = 86_400_000


class Chance(msgspec.Struct, frozen=True):
    """Where time and chance come from; a simulation brings its own."""

    clock: Clock
    entropy: Callable[[int], bytes]
    rand: Callable[[], float]


SYSTEM = Chance(SystemClock(), random.randbytes, random.random)
"""Ids need to be unique, not secret, so their entropy is the seeded generator's; it costs no system call. Keys, secrets
and nonces never come from here."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    policy: AttemptPolicy = AttemptPolicy()
    bounds: Bounds = Bounds()
    health: HealthPolicy = HealthPolicy()
    grace: float = 10.0
    lease: float | None = None
    """Seconds, where other processes may share the store; None where this one is alone."""
    keep_ms: int | None = None
    """How long messages are kept; None: for ever."""
    delivers: bool = True
    """Or leaves that to others, which needs a lease to be given: there must be others."""
    origin: str | None = None
    """The name by which receivers are asked whether they allow messages from us."""
    https_only: bool = False
    """Of the URLs that transformations choose."""


@contextlib.asynccontextmanager
async def run_engine(
    store: Store, sender: Sender, vault: Vault, options: EngineOptions, chance: Chance = SYSTEM,
    stop: Callable[[], object] = lambda: None, *, sandbox: Sandbox | None = None,
) -> AsyncIterator[Services]:  # fmt: skip
    """The engine at work on `store`, for the length of a block; it leaves nothing owned behind.

    It calls `stop` when it cannot go on: then the block is to end, and why is raised at its end; StoreRefused, if it can be no node.
    """
    clock, minter = chance.clock, Minter(chance.entropy)
    secrets = Secrets(vault)
    admission = Admission(sender, clock)
    directory = Directory(store, secrets)
    shaper = Shaper(clock, sandbox or NoSandbox(), https_only=options.https_only)
    called = asyncio.Event()
    wakeups = Wakeups(store)

    def deliverer(owner: int) -> Deliverer:
        if not options.delivers:
            return Herald(owner, wakeups)
        executor = Executor(
            directory=directory, sender=sender, admission=admission, shaper=shaper, clock=clock, minter=minter, rand=chance.rand,
            policy=options.policy,
        )  # fmt: skip
        tell = wakeups.tell if options.lease is not None else lambda endpoint: None
        return Dispatcher(
            store=store, directory=directory, executor=executor, clock=clock, rand=chance.rand, owner=owner, bounds=options.bounds,
            health=options.health, tell=tell,
        )  # fmt: skip

    async with contextlib.AsyncExitStack() as stack:
        dispatcher = await stack.enter_async_context(_node(store, clock, options, wakeups, deliverer, stop))
        replays = Replays(
            store=store, dispatcher=dispatcher, clock=clock, minter=minter, begin=called.set,
            rate=max(1, round(options.health.recovery_rate)),
        )  # fmt: skip
        janitor = Janitor(store=store, dispatcher=dispatcher, replays=replays, clock=clock, called=called, keep_ms=options.keep_ms)
        news = Follower(store=store, directory=directory, dispatcher=dispatcher)
        ingest = Ingest(store=store, dispatcher=dispatcher, clock=clock, minter=minter)
        changes = Changes(store, directory, dispatcher, tidy=called.set)
        services = Services(
            store=store, clock=clock, minter=minter, secrets=secrets, directory=directory,
            changes=changes,
            ingest=ingest,
            dispatcher=dispatcher, replays=replays, shaper=shaper, news=news,
            handshakes=Handshakes(admission=admission, clock=clock, origin=options.origin, style=options.policy.header_style),
        )  # fmt: skip
        loops = [_begin(janitor.run(), stop)]
        if options.delivers:
            loops.append(_begin(Notices(store=store, ingest=ingest).run(), stop))
        if options.lease is not None:
            listener = Listener(store, wake=dispatcher.wake if options.delivers else None, look=dispatcher.look_on, news=news.call)
            loops += [_begin(loop, stop) for loop in (news.run(), wakeups.speak(), listener.listen())]
            if options.delivers:
                cancels = Cancels(changes=changes, clock=clock, news=news)
                loops += [_begin(loop, stop) for loop in (listener.look_anywhere(), listener.look_around(), cancels.run())]
        try:
            yield services
        finally:
            await _end(loops)
        _raise_what_ended(loops)


@contextlib.asynccontextmanager
async def _node(
    store: Store, clock: Clock, options: EngineOptions, wakeups: Wakeups, deliverer: Callable[[int], Deliverer], stop: Callable[[], object]
) -> AsyncIterator[Deliverer]:
    """A node at work: it takes over what is nobody's (at once, if it is alone), and leaves nothing owned behind.

    Calls `stop` when it can be none any more, and raises StoreRefused in the end.
    """
    began = elapsed()
    owner = await store.write(OpenNode(now=clock.now()))
    if options.lease is None:
        await store.write(TakeOver(owner=owner))
    dispatcher = deliverer(owner)
    member: list[asyncio.Task[None]] = []
    if options.lease is not None:
        dispatcher.lease(began + options.lease)
        membership = Membership(store=store, dispatcher=dispatcher, clock=clock, lease_ms=round(options.lease * 1000))
        member = [_begin(membership.run(), stop)]
    try:
        await dispatcher.look_again()  # it begins to deliver: if it fails half-way, that is stopped too
        yield dispatcher
    finally:
        await dispatcher.stop(options.grace)
        await _end(member)  # not before: what is under way is ours for as long as it takes
        with contextlib.suppress(StoreUnavailable):  # then others find it silent, or the next start does
            await store.write(CloseNode(owner=dispatcher.owner))
            if options.lease is not None:
                await wakeups.last_word()
    _raise_what_ended(member)


def _begin(loop: Coroutine[Any, Any, None], stop: Callable[[], object]) -> asyncio.Task[None]:
    """Each goes on until it is cancelled; if it ends all the same, so must the process, which is of little use without it."""
    task = asyncio.create_task(loop)
    task.add_done_callback(lambda task: None if task.cancelled() else stop())
    return task


async def _end(loops: list[asyncio.Task[None]]) -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


def _raise_what_ended(loops: list[asyncio.Task[None]]) -> None:
    for loop in loops:
        if not loop.cancelled():
            loop.result()


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
        health=HealthPolicy(
            probe_ms=round(settings.attempt_timeout * 1000),
            pause_ms=round(settings.breaker_pause * 1000),
            disable_after_ms=settings.disable_after * DAY_MS,
            recovery_rate=settings.recovery_rate,
        ),
        grace=settings.shutdown_grace,
        lease=settings.lease if settings.on_postgres else None,
        keep_ms=settings.message_retention * DAY_MS or None,
        delivers=settings.role != "api",
        origin=settings.webhook_origin,
        https_only=settings.https_only,
    )
