"""Processes that accept and processes that deliver, on one database: what the first commit reaches the second at once."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Options
from hookwright.domain.retries import RetryPolicy
from hookwright.domain.tasks import Kind, Selection
from hookwright.engine import janitor, lookouts, wakeups
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.order import WAIT_MS
from hookwright.engine.services import Services
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.sender import Request, Response
from hookwright.store import Store
from hookwright.store.messages import Canceled
from hookwright.store.wakeups import Heard, Wake
from hookwright.stores.postgres.connections import Address
from hookwright.stores.postgres.listening import Ear
from hookwright.stores.postgres.store import open_store
from hookwright.vault import Vault
from tests.conformance.makers import World
from tests.dispatchers import dispatcher_of
from tests.harness import Receiver, running_server
from tests.integration.api import Api, code, fresh
from tests.integration.engines import Recorder, accept, endpoint_of
from tests.integration.postgres import asked
from tests.pgbouncer import running_pgbouncer
from tests.postgres import Postgres, running_postgres

KEY = f"k1:{base64.b64encode(bytes(32)).decode()}"
LONG = 60.0
NEVER = 3_600.0


@pytest.fixture
def never_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody finds anything by looking: what arrives was told."""
    monkeypatch.setattr(wakeups, "LOOK_SECONDS", NEVER)
    monkeypatch.setattr(janitor, "EVERY_SECONDS", NEVER)


@contextlib.asynccontextmanager
async def process(
    store: Store, recorder: Recorder, *, delivers: bool = True, lease: float | None = 30.0, retries: tuple[float, ...] = (NEVER,)
) -> AsyncIterator[Services]:
    policy = AttemptPolicy(retries=RetryPolicy(schedule=retries, jitter=0))
    options = EngineOptions(policy=policy, lease=lease, delivers=delivers, grace=0)
    async with run_engine(store, recorder, Vault({"k1": bytes(32)}, "k1", bytes), options) as services:
        yield services


@contextlib.asynccontextmanager
async def two_stores(url: str, *, pooled: bool = False) -> AsyncIterator[tuple[World, Store]]:
    """Of two processes: the world of one, and the store of the other."""
    async with (
        open_store(url, pooled=pooled, now=SystemClock().now()) as one,
        open_store(url, pooled=pooled, now=SystemClock().now()) as other,
    ):
        world = World(one)
        world.now = SystemClock().now()
        await world.application()
        yield world, other


async def listening(url: str, count: int) -> None:
    """Until so many connections listen."""
    await until(url, f"select count(*) >= {count} from pg_stat_activity where query like 'LISTEN%'")


async def until(url: str, question: str) -> None:
    """Until the database says yes."""
    async with asyncio.timeout(LONG):
        while (await asyncio.to_thread(asked, url, question))[0][0] is not True:  # noqa: ASYNC110  # it is another process's
            await asyncio.sleep(0.01)


async def arrival(recorder: Recorder) -> bytes:
    return await asyncio.wait_for(recorder.sent.get(), LONG)


@pytest.mark.usefixtures("never_looking")
def test_what_one_process_accepts_another_delivers_because_it_was_told(database: str) -> None:
    async def story() -> None:
        here, there = Recorder(), Recorder()
        async with (
            two_stores(database) as (world, other),
            process(world.store, here, delivers=False) as accepting,
            process(other, there),
        ):
            await listening(database, 2)
            endpoint = await endpoint_of(world, accepting)
            for n in range(3):
                await accept(accepting, b"%d" % n, world.app)
                assert await arrival(there) == b"%d" % n
            assert here.sent.empty()
            await until(database, "select count(*) = 3 from outcomes")
            (message,) = await asyncio.to_thread(asked, database, "select min(message) from outcomes")
            await accepting.replays.resend(world.app, endpoint.id, message[0])
            assert await arrival(there) == b"0"

    asyncio.run(story())


@pytest.mark.usefixtures("never_looking")
def test_a_recover_that_is_asked_of_a_process_that_delivers_nothing_is_carried_out(database: str) -> None:
    class FailingOnce(Recorder):
        status = 500

        async def send(self, request: Request) -> Response:
            await super().send(request)
            status, self.status = self.status, 200
            return Response(status, b"", False)

    async def story() -> None:
        there = FailingOnce()
        async with (
            two_stores(database) as (world, other),
            process(world.store, Recorder(), delivers=False) as accepting,
            process(other, there, retries=()),
        ):
            await listening(database, 2)
            endpoint = await endpoint_of(world, accepting)
            await accept(accepting, b"x", world.app)
            assert await arrival(there) == b"x"
            await until(database, "select exists (select 1 from outcomes)")
            everything = Selection(since=0, until=SystemClock().now() + 1000, state=State.FAIL)
            await accepting.replays.start(Kind.RECOVER, world.app, endpoint.id, everything)
            assert await arrival(there) == b"x"

    asyncio.run(story())


@pytest.mark.usefixtures("never_looking")
def test_what_waited_behind_a_message_that_is_canceled_elsewhere_is_delivered_at_once(database: str) -> None:
    class Failing(Recorder):
        async def send(self, request: Request) -> Response:
            taken = await super().send(request)
            return Response(500, b"", False) if request.body == b"first" else taken

    async def story() -> None:
        there = Failing()
        async with (
            two_stores(database) as (world, other),
            process(world.store, Recorder(), delivers=False) as accepting,
            process(other, there),
        ):
            await listening(database, 2)
            await endpoint_of(world, accepting, options=Options(ordered=True))
            await accept(accepting, b"first", world.app)
            assert await arrival(there) == b"first"
            await until(database, "select exists (select 1 from deliveries where attempts = 1)")
            await accept(accepting, b"second", world.app)
            (message,) = await asyncio.to_thread(asked, database, "select message from deliveries where attempts = 1")
            canceled = await accepting.changes.cancel_message(world.app, message[0], SystemClock().now())
            assert isinstance(canceled, Canceled)
            assert (canceled.canceled, canceled.sending) == (1, 0)
            assert await asyncio.wait_for(there.sent.get(), WAIT_MS / 2000) == b"second"

    asyncio.run(story())


@pytest.mark.usefixtures("never_looking")
def test_what_a_process_leaves_when_it_stops_another_delivers_at_once(database: str) -> None:
    class Stuck(Recorder):
        async def send(self, request: Request) -> Response:
            await super().send(request)
            await asyncio.get_running_loop().create_future()
            raise AssertionError

    async def story() -> None:
        here, there = Stuck(), Recorder()
        async with two_stores(database) as (world, other), process(other, there):
            async with process(world.store, here) as leaving:
                await listening(database, 2)
                await endpoint_of(world, leaving)
                await accept(leaving, b"left", world.app)
                assert await arrival(here) == b"left"
            assert await arrival(there) == b"left"

    asyncio.run(story())


def test_behind_a_pooler_what_one_process_accepts_another_finds_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "EVERY_SECONDS", NEVER)
    monkeypatch.setattr(wakeups, "LOOK_SECONDS", NEVER)

    async def story(url: str) -> None:
        there = Recorder()
        async with (
            two_stores(url, pooled=True) as (world, other),
            process(world.store, Recorder(), delivers=False) as accepting,
            process(other, there),
        ):
            await endpoint_of(world, accepting)
            await accept(accepting, b"x", world.app)
            assert await arrival(there) == b"x"

    with running_postgres() as server, running_pgbouncer(server) as port:
        asyncio.run(story(server.url(port=port)))


def test_what_nobody_spoke_of_is_found_by_looking(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "EVERY_SECONDS", NEVER)

    async def story() -> None:
        there = Recorder()
        async with two_stores(database) as (world, other), process(other, there) as services:
            await listening(database, 1)
            await world.message(await endpoint_of(world, services), body=b"the timer of this died with its process")
            assert await arrival(there) == b"the timer of this died with its process"

    asyncio.run(story())


def test_looking_leaves_a_retry_that_is_not_late_to_whoever_has_its_timer(database: str) -> None:
    async def story() -> None:
        async with two_stores(database) as (world, other), process(other, Recorder(), lease=None) as services:
            dispatcher = dispatcher_of(services)
            world.now += 600_000
            endpoint = await endpoint_of(world, services)
            await world.message(endpoint)
            assert await dispatcher.look_on() is None
            assert not dispatcher._lanes
            await dispatcher.look_again()
            assert list(dispatcher._lanes) == [endpoint.id]

    asyncio.run(story())


def test_looking_goes_on_where_it_is_told_to(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookouts, "LOOK", 2)

    async def story() -> None:
        async with two_stores(database) as (world, other), process(other, Recorder(), lease=None) as services:
            endpoints = [await endpoint_of(world, services) for _ in range(3)]
            for endpoint in endpoints:
                await world.message(endpoint)
            second = sorted(one.id for one in endpoints)[1]
            assert [await services.dispatcher.look_on(after) for after in ("", second)] == [second, None]

    asyncio.run(story())


@pytest.mark.usefixtures("never_looking")
def test_a_word_that_anything_may_be_due_is_heeded_at_every_endpoint(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookouts, "LOOK", 1)

    async def story() -> None:
        there = Recorder()
        async with two_stores(database) as (world, other), process(other, there) as services:
            await listening(database, 1)
            endpoints = [await endpoint_of(world, services) for _ in range(6)]
            world.now += 600_000
            await world.message(*endpoints[:-1], body=b"later")
            world.now -= 600_000
            await world.message(endpoints[-1], body=b"fresh")
            await world.store.write(Wake())
            assert await arrival(there) == b"fresh"

    asyncio.run(story())


def test_a_listening_connection_that_is_cut_is_made_anew(database: str) -> None:
    async def story() -> None:
        async with two_stores(database) as (world, other):
            assert await other.heard() == Heard(anywhere=True, news=True)
            heard = asyncio.create_task(other.heard())
            await asyncio.to_thread(asked, database, "select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'")
            with contextlib.suppress(Exception):
                await heard
            assert await other.heard() == Heard(anywhere=True, news=True)
            await world.store.write(Wake(endpoints=("ep_1",)))
            assert await other.heard() == Heard(endpoints=frozenset({"ep_1"}))

    asyncio.run(story())


def test_a_store_hears_others_and_not_itself(database: str) -> None:
    async def story() -> None:
        async with two_stores(database) as (world, other):
            await world.store.heard()
            await other.heard()
            await other.write(Wake(endpoints=("ep_own",)))
            await world.store.write(Wake(endpoints=("ep_1", "ep_2")))
            assert await other.heard() == Heard(endpoints=frozenset({"ep_1", "ep_2"}))
            await world.store.write(Wake(endpoints=tuple(f"ep_{n:027}" for n in range(300))))
            assert await other.heard() == Heard(anywhere=True)
            endpoint = await world.endpoint()
            heard = await other.heard()
            assert heard == Heard(news=True), endpoint

    asyncio.run(story())


# Faces


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def pair(own: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A server that accepts, and one that delivers."""
    settings: dict[str, Any] = {"database": own.url(), "encryption_keys": KEY}
    folder: Path = tmp_path_factory.mktemp("roles")
    with running_server(folder, role="api", **settings) as accepting, running_server(folder, role="worker", **settings) as delivering:
        yield accepting, delivering


def test_a_server_that_accepts_answers_everything_and_one_that_delivers_its_health_alone(pair: tuple[Any, Any]) -> None:
    api = fresh(pair[0])
    worker = Api(pair[1], api.token)
    assert api("GET", "/app").status_code == 200
    assert worker("GET", "/health/ping").status_code == 204
    assert worker("GET", "/health").status_code == 200
    for path in ("/app", "/nothing", "/openapi.json"):
        assert code(worker("GET", path)) == (503, "not_served_here")
    assert code(worker("POST", "/health/ping")) == (503, "not_served_here")


def test_a_message_goes_from_the_one_to_the_other(pair: tuple[Any, Any], own: Postgres) -> None:
    with Receiver() as receiver:
        api = fresh(pair[0])
        app = api.app()["id"]
        api.ok("POST", f"/app/{app}/endpoint", {"url": receiver.url})
        message = api.ok("POST", f"/app/{app}/msg", {"eventType": "a.b", "payload": {}})["id"]
        assert receiver.wait_for(1)[0].header("webhook-id") == message
    assert len(asked(own.url(), "select epoch from nodes")) == 2


def test_a_word_fits_into_a_notification() -> None:
    ear = Ear(Address("postgresql://nobody/nothing"))
    assert ear.word(()) == ear.word("ep_" + "x" * 27 for _ in range(400)) == f"{ear.name} *"
    assert ear.word(["ep_1", "ep_2"]) == f"{ear.name} ep_1 ep_2"
