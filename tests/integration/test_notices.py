"""Notices become messages of a running engine: each exactly one, whatever happens in between, and none of their own delivery."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.pages import PageRequest
from hookwright.domain.retries import RetryPolicy
from hookwright.engine import notices
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.services import Services
from hookwright.errors import StoreUnavailable, Unreadable
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.sender import Request, Response
from hookwright.store import Command, Store
from hookwright.store.applications import CreateApplication
from hookwright.store.deliveries import EndpointStats
from hookwright.store.endpoints import CreateEndpoint
from hookwright.store.messages import ListMessages
from hookwright.store.notices import EnsureOperational, FindOperational, ListNotices, LoadOperational, RemoveNotices
from hookwright.stores.postgres.store import open_store as open_postgres
from hookwright.stores.sqlite.store import open_store
from hookwright.vault import Vault
from tests.conformance.makers import ORG, World
from tests.integration.engines import SECRET, Recorder

FAR = 2**50
OTHER = "org_other"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "EVERY_SECONDS", 0.01)


class Refusing(Recorder):
    """A receiver of everything that accepts nothing."""

    async def send(self, request: Request) -> Response:
        await super().send(request)
        return Response(500, b"", False)


class Forgetful:
    """A store that removes no notice the first times; it says so, or its answer to the commit is lost."""

    def __init__(self, store: Store, *, times: int, lost: bool = False) -> None:
        self._store, self._times, self._lost = store, times, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, command: Command[Any], **more: Any) -> Any:
        if isinstance(command, RemoveNotices) and self._times:
            self._times -= 1
            if self._lost:
                await self._store.write(command, **more)
            raise StoreUnavailable("not now")
        return await self._store.write(command, **more)


class Damaged:
    """A store that cannot read what one organization has."""

    def __init__(self, store: Store, organization: str) -> None:
        self._store, self._organization = store, organization

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, query: Any) -> Any:
        if isinstance(query, LoadOperational) and query.organization == self._organization:
            raise Unreadable("its row is damaged")
        return await self._store.read(query)


@asynccontextmanager
async def engine(store: Any, recorder: Recorder, **options: Any) -> AsyncIterator[Services]:
    retries = RetryPolicy(schedule=(0.01,) * 4, jitter=0)
    async with run_engine(
        store, recorder, Vault({"k1": bytes(32)}, "k1", bytes), EngineOptions(policy=AttemptPolicy(retries=retries), **options)
    ) as services:
        yield services


async def listening(world: World, services: Services, **fields: Any) -> Endpoint:
    """An operational endpoint whose secret opens."""
    ident, at = world.mint.mint("app", world.now), world.now
    new = Application(id=ident, organization=ORG, name="hidden", created_at=at, updated_at=at)
    made = world.record(application=(await world.store.write(EnsureOperational(application=new))).id, **fields).endpoint
    secret = SealedSecret(services.secrets.seal_secret(made.id, SECRET), at)
    return await world.store.write(CreateEndpoint(record=EndpointRecord(made, (secret,)), most=9))


async def until(probe: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 60
    while not await probe():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


async def told(store: Store) -> int:
    """How many messages there are to operational endpoints, when no notice is left."""

    async def none_left() -> bool:
        return not await store.read(ListNotices(limit=1))

    await until(none_left)
    hidden = await store.read(FindOperational(organization=ORG))
    assert hidden is not None
    return len((await store.read(ListMessages(application=hidden.id, page=PageRequest(limit=250)))).data)


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_a_notice_that_is_a_message_but_was_not_taken_away_makes_no_other(tmp_path: Path, lost: bool) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world, recorder = World(store), Recorder()
            await world.application()
            forgetful = Forgetful(store, times=3, lost=lost)
            async with engine(forgetful, recorder) as services:
                await listening(world, services)
                await world.endpoint()
                assert await told(store) == 1
                assert b"endpoint.created" in await asyncio.wait_for(recorder.sent.get(), 60)
                assert recorder.sent.empty()

    asyncio.run(run())


def test_what_nobody_wants_to_know_is_no_message(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world, recorder = World(store), Recorder()
            await world.application()
            async with engine(store, recorder) as services:
                await listening(world, services, event_types=frozenset({"endpoint.deleted"}))
                await world.endpoint()
                assert await told(store) == 0

    asyncio.run(run())


def test_hundreds_of_notices_are_told_of_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "PAGE", 7)

    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world, recorder = World(store), Recorder()
            await world.application()
            async with engine(store, recorder) as services:
                await listening(world, services)
                for _ in range(100):
                    await world.endpoint()
                assert await told(store) == 100
                bodies = [await asyncio.wait_for(recorder.sent.get(), 60) for _ in range(100)]
                assert len(set(bodies)) == 100

    asyncio.run(run())


def test_an_organization_that_cannot_be_told_keeps_no_other_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "PAGE", 3)

    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world, recorder = World(store), Recorder()
            await world.application()
            async with engine(Damaged(store, OTHER), recorder) as services:
                await listening(world, services)
                hidden, theirs = [Application(id=f"app_{n}", organization=OTHER, name=n, created_at=1, updated_at=1) for n in "ht"]
                await store.write(EnsureOperational(application=hidden))
                await store.write(CreateApplication(application=theirs))
                for application in (hidden, *[theirs] * 7):
                    made = msgspec.structs.replace(world.record(application=application.id).endpoint, organization=OTHER)
                    await store.write(CreateEndpoint(record=EndpointRecord(made, (SealedSecret(b"s", 1),)), most=9))
                await world.endpoint()
                assert b"endpoint.created" in await asyncio.wait_for(recorder.sent.get(), 60)
                left = await store.read(ListNotices(limit=100))
                assert {one.organization for one in left} <= {OTHER, ORG}
                assert len([one for one in left if one.organization == OTHER]) == 7, "they wait"

    asyncio.run(run())


def test_an_operational_endpoint_that_always_fails_causes_nothing_more(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world, recorder = World(store), Refusing()
            await world.application()
            async with engine(store, recorder) as services:
                failing = await listening(world, services)
                await world.endpoint()

                async def given_up() -> bool:
                    query = EndpointStats(application=failing.application, endpoint=failing.id, since=0, until=FAR)
                    return (await store.read(query)).fail == 1

                await until(given_up)
                assert await told(store) == 1
                bodies = [recorder.sent.get_nowait() for _ in range(recorder.sent.qsize())]
                assert len(bodies) == 5, "one attempt and four retries"
                assert len(set(bodies)) == 1

    asyncio.run(run())


def test_two_processes_that_tell_of_the_same_make_one_message_of_it(database: str) -> None:
    async def run() -> None:
        async with open_postgres(database, now=SystemClock().now()) as store, open_postgres(database, now=SystemClock().now()) as other:
            world, recorder = World(store), Recorder()
            world.now = SystemClock().now()
            await world.application()
            async with engine(store, recorder, lease=60.0) as services, engine(other, recorder, lease=60.0):
                await listening(world, services)
                await asyncio.gather(*(world.endpoint() for _ in range(50)))
                assert await told(store) == 50
                bodies = [await asyncio.wait_for(recorder.sent.get(), 60) for _ in range(50)]
                assert len(set(bodies)) == 50

    asyncio.run(run())


def test_whether_anybody_wants_to_know_is_found_by_indexes(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db"):
            pass

    asyncio.run(run())
    connection = apsw.Connection(str(tmp_path / "a.db"))
    plan: Any = connection.execute("explain query plan select * from watched where endpoint = 'ep_a'").fetchall()
    connection.close()
    steps = [str(row[3]) for row in plan]
    assert steps and not [step for step in steps if step.startswith("SCAN")], steps
