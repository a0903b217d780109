"""Transformations in a running engine: what happens to a delivery while its script waits or runs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.pages import PageRequest
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.services import Services
from hookwright.errors import Busy
from hookwright.runtime.engine import EngineOptions
from hookwright.sandbox import Draft, Returned, Script, Stopped
from hookwright.sender import Request, Response
from hookwright.store.attempts import ListAttempts
from hookwright.store.endpoints import FindEndpoint, UpdateEndpoint
from hookwright.store.transformations import ChangeTransformation
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import World
from tests.dispatchers import dispatcher_of
from tests.integration.engines import Recorder, accept, endpoint_of, engine
from tests.waiting import until


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


class Answering(Urls):
    """As `Urls`, with an answer of its own at one of them."""

    def __init__(self, url: str, answer: Response) -> None:
        super().__init__()
        self._url, self._answer = url, answer

    async def send(self, request: Request) -> Response:
        taken = await super().send(request)
        return self._answer if request.url == self._url else taken


OWN = "https://example.com/"
ANOTHER_PATH, ANOTHER_HOST = f"{OWN}another", "https://elsewhere.example/"


def to(url: str) -> Callable[[Script], Awaitable[Returned]]:
    async def go(script: Script) -> Returned:
        return Returned(json.dumps({"url": url}))

    return go


async def attempted(world: World, endpoint: Endpoint) -> None:
    """Until the first attempt is written down."""
    attempts = ListAttempts(application=world.app, endpoint=endpoint.id, page=PageRequest())
    while not (await world.store.read(attempts)).data:  # noqa: ASYNC110  # only the store knows
        await asyncio.sleep(0.01)


async def reason(world: World, endpoint: Endpoint) -> str | None:
    """Why it is disabled."""
    found = await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id))
    assert found is not None
    return found.disabled_reason


async def leave(script: Script) -> Returned:
    return Returned(json.dumps({"kind": "json", "body": '{"made":1}'}))


async def refuse(script: Script) -> Returned:
    raise Busy("too many wait")


Story = Callable[[World, Services, Endpoint, Urls], Awaitable[None]]


def play(
    folder: Path, sandbox: Sandbox, story: Story, receiver: Urls | None = None, how: EngineOptions | None = None, **fields: Any
) -> None:
    """`how`: the engine's options. `fields`: of the endpoint."""

    async def run() -> None:
        async with open_store(folder / "a.db") as store:
            world, receives = World(store), receiver or Urls()
            await world.application()
            async with engine(store, receives, sandbox, how) as services:
                endpoint = await endpoint_of(world, services, **fields)
                change = ChangeTransformation(application=world.app, endpoint=endpoint.id, code="code", enabled=True, now=world.now)
                await services.changes.apply(change, application=world.app, endpoint=endpoint.id)
                async with asyncio.timeout(60):
                    await story(world, services, endpoint, receives)

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


@pytest.mark.parametrize(("url", "disabled"), [(OWN, "gone"), (ANOTHER_PATH, None), (ANOTHER_HOST, None)])
def test_a_410_is_about_the_endpoint_only_where_its_own_url_answered_it(tmp_path: Path, url: str, disabled: str | None) -> None:
    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        await accept(services, b"{}", world.app)
        await attempted(world, endpoint)
        assert await reason(world, endpoint) == disabled

    play(tmp_path, Sandbox(to(url)), story, Answering(url, Response(410, b"", False)), url=OWN)


@pytest.mark.parametrize(("url", "waits"), [(OWN, True), (ANOTHER_PATH, True), (ANOTHER_HOST, False)])
def test_another_host_than_the_endpoint_s_may_ask_for_patience_with_its_own_message_only(tmp_path: Path, url: str, waits: bool) -> None:
    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        await accept(services, b"{}", world.app)
        assert await receiver.urls.get() == url
        await attempted(world, endpoint)
        assert (dispatcher_of(services)._healths.free_at(endpoint.id) > 0) is waits
        if not waits:
            await accept(services, b"{}", world.app)
            assert await receiver.urls.get() == OWN

    play(tmp_path, Sandbox(to(url), leave), story, Answering(url, Response(503, b"", False, "600")), url=OWN)


@pytest.mark.parametrize("url", [OWN, ANOTHER_PATH, ANOTHER_HOST])
def test_an_ordered_endpoint_is_stuck_wherever_its_first_message_is_sent_in_vain(tmp_path: Path, url: str) -> None:
    async def story(world: World, services: Services, endpoint: Endpoint, receiver: Urls) -> None:
        await accept(services, b"{}", world.app)
        while await reason(world, endpoint) is None:  # noqa: ASYNC110  # only the store knows
            await asyncio.sleep(0.01)
        assert await reason(world, endpoint) == "exhausted"
        assert receiver.urls.qsize() == 1

    once = EngineOptions(policy=AttemptPolicy(retries=RetryPolicy(schedule=())))
    play(tmp_path, Sandbox(to(url)), story, Answering(url, Response(500, b"", False)), once, url=OWN, options=Options(ordered=True))
