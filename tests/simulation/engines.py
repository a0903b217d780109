"""Engines at work in virtual time on one real SQLite store, with receivers that remember when what arrived.

Several share the store as processes do: what one commits the others are told of a little later, as news and words would.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.messages import Content
from hookwright.engine.ingest import NewMessage
from hookwright.engine.services import Services
from hookwright.runtime.engine import Chance, EngineOptions, run_engine
from hookwright.sandbox import Sandbox
from hookwright.sender import Failure, Request, Response
from hookwright.store import Command, Once, Query
from hookwright.store.applications import CreateApplication, FindApplication, UpdateApplication
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, FindEndpoint, UpdateEndpoint
from hookwright.store.health import SaveHealth
from hookwright.store.messages import Created
from hookwright.store.wakeups import Heard
from hookwright.stores.sqlite.store import SqliteStore
from hookwright.vault import Vault
from tests.simulation.loop import START, VirtualClock, VirtualLoop
from tests.simulation.scenario import SECRET, memory_folder

R = TypeVar("R")
Answer = Callable[[Request], Awaitable[Response | Failure]]
OK = Response(200, b"", False)
NEWS_SECONDS = 0.05
ALMOST_A_SECOND = 0.99
"""The wall clock counts whole milliseconds, and so do two takers of turns."""


class Arrival(msgspec.Struct, frozen=True):
    """`at`: seconds of the loop; `node`: the number of the engine that sent it."""

    at: float
    node: int
    message: str


class Receivers:
    """Each is named by the last part of its URL, and answers what `answers` has for it, or 200 at once."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.arrived: dict[str, list[Arrival]] = defaultdict(list)
        self.most: Counter[str] = Counter()
        """How many requests were under way to each at once; cleared by whoever asks about a time."""
        self._under_way: Counter[str] = Counter()

    async def receive(self, request: Request, node: int) -> Response | Failure:
        name = request.url.rpartition("/")[2]
        message = next(value for header, value in request.headers if header.lower() == "webhook-id")
        self.arrived[name].append(Arrival(asyncio.get_running_loop().time(), node, message))
        self._under_way[name] += 1
        self.most[name] = max(self.most[name], self._under_way[name])
        try:
            answer = self.answers.get(name)
            return OK if answer is None else await answer(request)
        finally:
            self._under_way[name] -= 1


class Outlet:
    """The sender of one engine."""

    def __init__(self, receivers: Receivers, node: int) -> None:
        self._receivers, self._node = receivers, node

    async def send(self, request: Request) -> Response | Failure:
        return await self._receivers.receive(request, self._node)

    async def close(self) -> None:
        pass


class NodeStore:
    """The store as one engine sees it. `written`: its commands, by kind."""

    def __init__(self, store: SqliteStore, told: Callable[[SaveHealth], None]) -> None:
        self._store, self._told = store, told
        self.written: Counter[type] = Counter()

    async def write(self, command: Command[R], *, once: Once[R] | None = None, on_commit: Callable[[R], None] | None = None) -> Any:
        self.written[type(command)] += 1
        result: Any = await self._store.write(command, once=once, on_commit=on_commit)
        if isinstance(command, SaveHealth):
            asyncio.get_running_loop().call_later(NEWS_SECONDS, self._told, command)
        return result

    async def read(self, query: Query[R]) -> R:
        return await self._store.read(query)

    async def heard(self) -> Heard:
        return await self._store.heard()

    async def close(self) -> None:
        pass


class Node(msgspec.Struct):
    services: Services
    store: NodeStore
    running: AsyncExitStack


class Engines:
    def __init__(self, loop: VirtualLoop, path: Path, options: EngineOptions, sandbox: Sandbox | None) -> None:
        self._loop, self._options, self._sandbox = loop, options, sandbox
        self._rand = random.Random(1)
        self.clock = VirtualClock(loop)
        self.receivers = Receivers()
        self.store = SqliteStore(path, threads=False)
        self.nodes: list[Node] = []

    async def start(self) -> Node:
        """One more; as a single process would, it takes over what the others have under way."""
        store, stack = NodeStore(self.store, self._tell_health), AsyncExitStack()
        vault = Vault({"k1": bytes(32)}, "k1", self._rand.randbytes)
        chance = Chance(self.clock, self._rand.randbytes, self._rand.random)
        engine = run_engine(store, Outlet(self.receivers, len(self.nodes)), vault, self._options, chance, sandbox=self._sandbox)
        node = Node(await stack.enter_async_context(engine), store, stack)
        self.nodes.append(node)
        return node

    async def stop(self) -> None:
        """The one that was started last."""
        await self.nodes.pop().running.aclose()

    # What callers do

    async def application(self, ident: str = "app_1", **fields: Any) -> None:
        made = Application(id=ident, organization="org_1", name=ident, created_at=START, updated_at=START, **fields)
        await self.store.write(CreateApplication(application=made))

    async def endpoint(self, name: str, application: str = "app_1", **fields: Any) -> Endpoint:
        """Its id is its name."""
        url = f"http://receiver/{name}"
        endpoint = Endpoint(
            id=name, application=application, organization="org_1", url=url, created_at=START, updated_at=START, **fields
        )  # fmt: skip
        secret = SealedSecret(self.nodes[0].services.secrets.seal_secret(name, SECRET), START)
        command = CreateEndpoint(record=EndpointRecord(endpoint, (secret,)), most=100)
        return await self.nodes[0].services.changes.apply(command, application=application)

    async def send(self, count: int = 1, application: str = "app_1", *, node: int = 0) -> list[str]:
        """So many messages to all endpoints of the application, accepted by one engine; their ids."""
        services = self.nodes[node].services
        idents = []
        for _ in range(count):
            loaded = await services.directory.application("org_1", application)
            assert loaded is not None
            created = await services.ingest.accept(loaded, NewMessage(event_type="a.b", content=Content(b"{}")))
            assert isinstance(created, Created)
            idents.append(created.message.id)
            for endpoint in loaded.endpoints:
                self._tell(node, partial(_wake, endpoint.id))
        return idents

    async def change(self, name: str, application: str = "app_1", **fields: Any) -> None:
        """An endpoint's settings, by a person."""
        found = await self.store.read(FindEndpoint(application=application, ref=name))
        assert found is not None
        changed = msgspec.structs.replace(found, updated_at=self.clock.now(), **fields)
        command = UpdateEndpoint(endpoint=changed, expected=found)
        await self.nodes[0].services.changes.apply(command, application=application, endpoint=name)

        def heed(other: Services) -> None:
            other.directory.forget(application)
            other.dispatcher.endpoint_changed(name)

        self._tell(0, heed)

    async def delete(self, name: str, application: str = "app_1") -> None:
        command = DeleteEndpoint(application=application, ref=name, now=self.clock.now())
        await self.nodes[0].services.changes.apply(command, application=application, endpoint=name)

    async def change_application(self, ident: str = "app_1", **fields: Any) -> None:
        found = await self.store.read(FindApplication(organization="org_1", ref=ident))
        assert found is not None
        changed = msgspec.structs.replace(found, updated_at=self.clock.now(), **fields)
        await self.nodes[0].services.changes.apply(UpdateApplication(application=changed), application=ident)
        self._tell(0, lambda other: other.directory.forget(ident))

    # What others are told

    def _tell(self, node: int, heed: Callable[[Services], None]) -> None:
        for number, other in enumerate(self.nodes):
            if number != node:
                self._loop.call_later(NEWS_SECONDS, heed, other.services)

    def _tell_health(self, command: SaveHealth) -> None:
        for node in self.nodes:
            node.services.dispatcher.health_changed(command.application, command.endpoint)

    # What is asked of them

    def times(self, *names: str, since: float = 0.0) -> list[float]:
        """When something arrived at any of these (seconds of the loop)."""
        return sorted(arrival.at for name in names for arrival in self.receivers.arrived[name] if arrival.at >= since)

    def now(self) -> float:
        return self._loop.time()


def _wake(endpoint: str, other: Services) -> None:
    other.dispatcher.wake(endpoint, 0)


def most_within(times: Sequence[float], seconds: float = ALMOST_A_SECOND) -> int:
    """The most of these in any so long a time."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def play(
    story: Callable[[Engines], Awaitable[None]], *, nodes: int = 1, options: EngineOptions | None = None, sandbox: Sandbox | None = None
) -> None:
    """A story with so many engines; all of it in virtual time."""
    loop = VirtualLoop()

    async def run(path: Path) -> None:
        engines = Engines(loop, path, options or EngineOptions(grace=1.0), sandbox)
        try:
            for _ in range(nodes):
                await engines.start()
            await story(engines)
        finally:
            while engines.nodes:
                await engines.stop()
            await engines.store.close()

    try:
        with memory_folder() as folder:
            loop.run_until_complete(run(folder / "store.db"))
    finally:
        loop.close()


def answering(status: int, *, retry_after: str | None = None, seconds: float = 0.0) -> Answer:
    """A receiver that answers this, after so long."""

    async def answer(_: Request) -> Response | Failure:
        await asyncio.sleep(seconds)
        return Response(status, b"", False, retry_after)

    return answer
