"""Processes that die, nodes that live on as zombies, and a disk that is slow, full or broken, all by the seed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any, TypeVar

import apsw

from hookwright.domain.retries import RetryPolicy
from hookwright.engine.bounds import Bounds
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.services import Services
from hookwright.errors import StoreError, StoreUnavailable
from hookwright.runtime.engine import Chance, EngineOptions, run_engine
from hookwright.store import Command, Once, Query
from hookwright.store.deliveries import Release, Settle
from hookwright.store.wakeups import Heard
from hookwright.stores.sqlite.store import SqliteStore
from hookwright.vault import Vault
from tests.dispatchers import dispatcher_of
from tests.simulation.loop import Owner, VirtualClock, VirtualLoop
from tests.simulation.model import Model, Violation
from tests.simulation.receivers import NodeSender, Receivers
from tests.simulation.scripts import Scripts

R = TypeVar("R")
RETRIES = RetryPolicy(schedule=(2.0, 10.0, 30.0), jitter=0.2, longest_retry_after=40.0)
BOUNDS = Bounds(attempts=6, per_endpoint=2, queue=16, queue_bytes=2_000, queue_per_endpoint=5, claim=4, claims_at_once=2)
OPTIONS = EngineOptions(policy=AttemptPolicy(retries=RETRIES, deadline=6.0), bounds=BOUNDS, grace=5.0)
LARGEST_BODY = 200


class World:
    """`calm`: nothing fails but receivers."""

    def __init__(self, loop: VirtualLoop, seed: int, path: Path, urls: list[str]) -> None:
        self.rand = random.Random(seed)
        self.clock = VirtualClock(loop)
        self.calm = self.rand.random() < 0.2
        self.weather = not self.calm
        self.full_until = 0.0
        self.broken: asyncio.Future[None] = loop.create_future()
        self.model = Model(self.clock, RETRIES, self._tell)
        self.receivers = Receivers(self.rand, self.clock, self.model, urls, self.calm)
        self.vault = Vault({"k1": bytes(32)}, "k1", self.rand.randbytes)
        self.path = path
        self.process: Process | None = None
        self.node: Node | None = None
        self._old: list[Owner] = []
        self._starting: asyncio.Task[None] | None = None
        self._stopping = False

    def _tell(self, violation: Violation) -> None:
        if not self.broken.done():
            self.broken.set_exception(violation)

    def start(self) -> None:
        """A process and its node, as soon as the database lets them."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start(), context=Context())
            self._starting.add_done_callback(self._started)

    def _started(self, starting: asyncio.Task[None]) -> None:
        self._starting = None
        error = None if starting.cancelled() else starting.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    async def _start(self) -> None:
        while self.node is None:
            await asyncio.sleep(self.rand.choice((0.0, 0.1, 3.0)))
            while self._stopping:  # noqa: ASYNC110  # virtual time costs nothing
                await asyncio.sleep(0.1)
            if self.process is None:
                self.process = Process(self)
            node = Node(self, self.process)
            self._old.append(node)
            if await node.start() and not node.dead:
                self.node = node

    async def up(self) -> "Node":
        while self.node is None:
            self.start()
            await asyncio.sleep(0.1)
        return self.node

    def crash(self) -> None:
        """kill -9: what is not committed is gone, and so is everybody."""
        if self.process is not None:
            self.process.kill()
            self._old.append(self.process)
        self.model.rolled_back()
        for owner in self._old:
            if isinstance(owner, Node) and not owner.dead:
                owner.kill()
        self.process = self.node = None
        self.start()

    def replace_node(self) -> None:
        """A new node takes over on the same store while the old one does not know: it goes on settling for a while."""
        zombie, self.node = self.node, None
        if zombie is not None:
            zombie.sender.zombie = zombie.store.zombie = True
            asyncio.get_running_loop().call_later(self.rand.choice((0.5, 5.0, 20.0)), zombie.kill)
            self.start()

    async def stop_node(self) -> None:
        """A graceful stop, after the last request was answered: it leaves nothing owned behind."""
        node, self.node = self.node, None
        if node is None:
            return
        self._stopping = True
        fine = not self.weather and asyncio.get_running_loop().time() >= self.full_until
        while node.requests:
            await asyncio.wait(node.requests)
        node.stopping.set()
        await asyncio.wait([node.task])
        self._stopping = False
        if fine and not node.dead:
            self.model.check(not any(row.owner for row in self.model.live.values()), "P3: a graceful stop left rows owned")

    async def end(self) -> None:
        """Everybody is gone, the file is closed."""
        await self.stop_node()
        if self.process is not None:
            await self.process.spawn(self.process.store.close())
            self.process = None

    async def bury(self) -> None:
        """Nothing of the story goes on."""
        for owner in (*self._old, *([self.process] if self.process is not None else [])):
            owner.kill()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)


class Process(Owner):
    """Who holds the file."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.store = self.context.run(lambda: SqliteStore(world.path, threads=False))
        self.store._groups._offload = Disk(world, self)
        self.store._writer.set_rollback_hook(world.model.rolled_back)  # a group may begin anew
        for reader in self.store._readers:
            reader.offload = Reading(world, self)

    def kill(self) -> None:
        if not self.dead:
            super().kill()
            self.store._writer.close(True)
            for reader in self.store._readers:
                reader.close()
            self.store._lock.release()


class Disk:
    """Carries out commits: late, not at all, or with the process's last breath."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    def run(self, call: Callable[[], R], *, brief: bool = False) -> "asyncio.Future[R]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        loop.call_later(self._world.rand.choice((0.0, 0.001, 0.001, 0.02, 0.2)), self._carry_out, call, future)
        return future

    def _carry_out(self, call: Callable[[], R], future: "asyncio.Future[R]") -> None:
        world, loop = self._world, asyncio.get_running_loop()
        if self._process.dead or future.done():
            return
        chance = world.rand.random() if world.weather else 1.0
        if loop.time() < world.full_until or chance < 0.01:
            world.model.rolled_back()
            future.set_exception(apsw.FullError("database or disk is full") if chance >= 0.01 else apsw.IOError("disk I/O error"))
            return
        if 0.01 <= chance < 0.015:
            world.crash()
            return
        result = call()
        world.model.committed()
        if 0.015 <= chance < 0.02:
            world.crash()
            return
        future.set_result(result)

    def close(self) -> None:
        pass


class Reading:
    """Carries out reads: what is read may be old by the time it arrives."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    def run(self, call: Callable[[], R], *, brief: bool = False) -> "asyncio.Future[R]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        result = call()
        loop.call_later(self._world.rand.choice((0.0, 0.0, 0.001, 0.05)), self._deliver, result, future)
        return future

    def _deliver(self, result: R, future: "asyncio.Future[R]") -> None:
        if self._process.dead or future.done():
            return
        if self._world.weather and self._world.rand.random() < 0.01:
            future.set_exception(StoreUnavailable("the database cannot be read now"))
        else:
            future.set_result(result)

    def close(self) -> None:
        pass


class NodeStore:
    """The store as one node sees it. Nothing that a dead node does reaches it; a zombie can still settle."""

    def __init__(self, process: Process, node: Owner) -> None:
        self._process, self._node = process, node
        self.zombie = False

    async def write(self, command: Command[R], *, once: Once[R] | None = None, on_commit: Callable[[R], None] | None = None) -> Any:
        self._admit(command)
        return await self._call(self._process.store.write(command, once=once, on_commit=self._alive(on_commit)))

    async def read(self, query: Query[R]) -> R:
        self._admit(None)
        return await self._call(self._process.store.read(query))

    async def heard(self) -> Heard:
        return await self._process.store.heard()

    async def close(self) -> None:
        pass

    def _admit(self, command: Command[Any] | None) -> None:
        if self._node.dead or self._process.dead:
            raise asyncio.CancelledError
        if self.zombie and not isinstance(command, Settle | Release | None):
            raise StoreUnavailable("the lease is lost")

    async def _call(self, work: Awaitable[R]) -> R:
        return await asyncio.shield(self._process.spawn(work))  # type: ignore[arg-type]

    def _alive(self, on_commit: Callable[[R], None] | None) -> Callable[[R], None] | None:
        """Called in the node's own context, so that what it begins dies with the node."""
        if on_commit is None:
            return None
        context, follow = copy_context(), on_commit
        return lambda result: None if self._node.dead else context.run(follow, result)


class Node(Owner):
    """An engine at work."""

    services: Services

    def __init__(self, world: World, process: Process) -> None:
        super().__init__()
        self._world = world
        self.store = NodeStore(process, self)
        self.sender = NodeSender(world.receivers, world.model, self, BOUNDS.attempts, BOUNDS.per_endpoint)
        self.stopping = asyncio.Event()
        self.requests: set[asyncio.Task[Any]] = set()
        self._ready = asyncio.Event()

    async def start(self) -> bool:
        self.task = self.spawn(self._run())
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait([self.task, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self._ready.is_set()

    async def _run(self) -> None:
        world = self._world
        chance = Chance(world.clock, world.rand.randbytes, world.rand.random)
        scripts = Scripts(world.rand, lambda: world.receivers.healed)
        try:
            async with run_engine(self.store, self.sender, world.vault, OPTIONS, chance, sandbox=scripts) as services:
                self.services = services
                self._ready.set()
                await self.stopping.wait()
        except StoreError:
            pass

    async def call(self, work: Callable[[Services], Awaitable[R]]) -> R:
        """A caller's request: it dies with the node (CancelledError)."""
        request = self.spawn(work(self.services))  # type: ignore[arg-type]
        self.requests.add(request)
        request.add_done_callback(self.requests.discard)
        answer: R = await request
        return answer

    def check_bounds(self) -> None:
        """Room is given away before the commit and counted after it; claims come in whole slices."""
        dispatcher, check = dispatcher_of(self.services), self._world.model.check
        slack = BOUNDS.claims_at_once * BOUNDS.claim
        check(0 <= dispatcher._room.held <= BOUNDS.queue + slack, f"P6: {dispatcher._room.held} deliveries in memory")
        check(
            dispatcher._room.held_bytes <= 2 * BOUNDS.queue_bytes + slack * LARGEST_BODY,
            f"P6: {dispatcher._room.held_bytes} bytes in memory",
        )
