"""Transformations in a running engine: what happens to a delivery while its script waits or runs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.pages import PageRequest
from hookwright.engine.services import Services
from hookwright.errors import Busy
from hookwright.sandbox import Draft, Returned, Script, Stopped
from hookwright.sender import Request, Response
from hookwright.store.attempts import ListAttempts
from hookwright.store.endpoints import UpdateEndpoint
from hookwright.store.transformations import ChangeTransformation
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import World
from tests.dispatchers import dispatcher_of
from tests.integration.engines import Recorder, accept, endpoint_of, engine
from tests.integration.sockets import until


class Urls(Recorder):
    """A receiver of everything; `urls` has where it went."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, request: Request) -> Response:
        self.urls.put_nowait(request.url)
        return await super().send(request)


class Sandbox:
    """Runs what it is told to: `answers` in turn, the last one from then on."""

    def __init__(self, *answers: Callable[[Script], Awaitable[Returned | Stopped]]) -> None:
        self.answers = list(answers)
        self.ran = 0

    async def run(self, script: Script) -> Returned | Stopped:
        self.ran += 1
        return await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(script)

    async def check(self, draft: Draft) -> Stopped | None:
        return None

    async def close(self) -> None:
        pass


async def leave(script: Script) -> Returned:
    return Returned(json.dumps({"kind": "json", "body": '{"made":1}'}))


async def refuse(script: Script) -> Returned:
    raise Busy("too many wait")


Story = Callable[[World, Services, Endpoint, Urls], Awaitable[None]]


def play(folder: Path, sandbox: Sandbox, story: Story) -> None:
    async def run() -> None:
        async with open_store(folder / "a.db") as store:
            world, receiver = World(store), Urls()
            await world.application()
            async with engine(store, receiver, sandbox) as services:
                endpoint = await endpoint_of(world, services)
                change = ChangeTransformation(application=world.app, endpoint=endpoint.id, code="code", enabled=True, now=world.now)
                await services.changes.apply(change, application=world.app, endpoint=endpoint.id)
                async with asyncio.timeout(60):
                    await story(world, services, endpoint, receiver)

    asyncio.run(run())


def test_when_too_many_wait_a_delivery_goes_back_and_no_attempt_is_counted(tmp_path: Path) -> None:
    sandbox = Sandbox(refuse, leave)

    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        await accept(services, b"{}", world.app)
        assert await receiver.sent.get() == b'{"made":1}'
        await services.dispatcher.stop(10)  # it writes down what it knows
        found = await world.store.read(ListAttempts(application=world.app, endpoint=endpoint.id, page=PageRequest()))
        assert [(attempt.number, attempt.state) for attempt in found.data] == [(1, State.SUCCESS)]
        assert sandbox.ran == 2

    play(tmp_path, sandbox, story)


def test_an_endpoint_that_is_changed_while_its_script_runs_is_sent_to_as_it_is_then(tmp_path: Path) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def slow(script: Script) -> Returned:
        running.set()
        await go_on.wait()
        return await leave(script)

    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        await accept(services, b"{}", world.app)
        await running.wait()
        moved = msgspec.structs.replace(endpoint, url="https://moved.example/")
        await services.changes.apply(UpdateEndpoint(endpoint=moved), application=world.app, endpoint=endpoint.id)
        go_on.set()
        assert await receiver.urls.get() == "https://moved.example/"

    play(tmp_path, Sandbox(slow, leave), story)


def test_a_neighbour_that_is_changed_while_a_script_runs_does_not_make_it_run_again(tmp_path: Path) -> None:
    """Else one of many endpoints that change all the time would keep what takes longer from ever being sent."""
    running, go_on = asyncio.Event(), asyncio.Event()

    async def slow(script: Script) -> Returned:
        running.set()
        await go_on.wait()
        return await leave(script)

    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        neighbour = await endpoint_of(world, services)
        await accept(services, b"{}", world.app)
        await running.wait()
        moved = msgspec.structs.replace(neighbour, url="https://moved.example/")
        await services.changes.apply(UpdateEndpoint(endpoint=moved), application=world.app, endpoint=neighbour.id)
        go_on.set()
        while await receiver.sent.get() != b'{"made":1}':
            pass
        assert sandbox.ran == 1

    sandbox = Sandbox(slow, leave)
    play(tmp_path, sandbox, story)


def test_an_endpoint_that_is_disabled_while_its_script_runs_is_sent_nothing(tmp_path: Path) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def slow(script: Script) -> Returned:
        running.set()
        await go_on.wait()
        return await leave(script)

    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        await accept(services, b"{}", world.app)
        await running.wait()
        disabled = msgspec.structs.replace(endpoint, disabled_reason="manual")
        await services.changes.apply(UpdateEndpoint(endpoint=disabled), application=world.app, endpoint=endpoint.id)
        go_on.set()
        await until(lambda: not dispatcher_of(services)._attempts)
        assert receiver.sent.empty()
        await services.changes.apply(UpdateEndpoint(endpoint=endpoint), application=world.app, endpoint=endpoint.id)
        await receiver.sent.get()
        assert sandbox.ran == 2

    sandbox = Sandbox(slow, leave)
    play(tmp_path, sandbox, story)


def test_an_endpoint_without_a_transformation_never_meets_the_sandbox(tmp_path: Path) -> None:
    sandbox = Sandbox(refuse)

    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        off = ChangeTransformation(application=world.app, endpoint=endpoint.id, enabled=False, now=world.now)
        await services.changes.apply(off, application=world.app, endpoint=endpoint.id)
        await accept(services, b"{}", world.app)
        assert await receiver.sent.get() == b"{}"
        assert sandbox.ran == 0

    play(tmp_path, sandbox, story)
