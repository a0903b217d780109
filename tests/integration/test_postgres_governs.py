"""What one process changes governs the next attempt of another, as soon as that has looked at the news: nothing is left to expire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from hookwright.clock import SystemClock
from hookwright.domain.endpoints import Endpoint, SealedSecret
from hookwright.engine.services import Services
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.sender import Request, Response
from hookwright.store import Store
from hookwright.store.applications import DeleteApplication
from hookwright.store.endpoints import RotateSecret, SetHeaders, UpdateEndpoint
from hookwright.stores.postgres.store import open_store
from hookwright.vault import Vault
from tests.conformance.makers import ORG, World
from tests.integration.engines import accept, endpoint_of

LONG = 60.0
HOUR = 3_600_000
OTHER = "whsec_" + "B" * 43 + "="


class Requests:
    """A receiver of everything; `sent` has the requests."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Request] = asyncio.Queue()

    async def send(self, request: Request) -> Response:
        self.sent.put_nowait(request)
        return Response(200, b"", False)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def engine(store: Store, sender: Requests) -> AsyncIterator[Services]:
    """Without loops of its own: it looks at the news when it is told to."""
    async with run_engine(store, sender, Vault({"k1": bytes(32)}, "k1", bytes), EngineOptions()) as services:
        yield services


Story = Callable[[World, Services, Services, Endpoint, Callable[[], Awaitable[Request]]], Awaitable[None]]


def check(database: str, story: Story) -> None:
    """Run it with two processes, of which the second has delivered to an endpoint, and can be made to deliver again."""

    async def run() -> None:
        sender = Requests()
        now = SystemClock().now()
        async with (
            open_store(database, now=now) as one,
            open_store(database, now=now) as other,
            engine(one, Requests()) as here,
            engine(other, sender) as there,
        ):
            world = World(one)
            world.now = now
            await world.application()
            endpoint = await endpoint_of(world, here)

            async def attempt() -> Request:
                await accept(there, b"{}", world.app)
                return await asyncio.wait_for(sender.sent.get(), LONG)

            await there.news.look()
            assert (await attempt()).url == endpoint.url
            await there.news.look()
            await story(world, here, there, endpoint, attempt)

    asyncio.run(run())


def test_a_changed_url(database: str) -> None:
    async def story(world: World, here: Services, there: Services, endpoint: Endpoint, attempt: Callable[[], Awaitable[Request]]) -> None:
        changed = msgspec.structs.replace(endpoint, url="https://example.com/new")
        await here.changes.apply(UpdateEndpoint(endpoint=changed), application=world.app, endpoint=endpoint.id)
        await there.news.look()
        assert (await attempt()).url == changed.url

    check(database, story)


def test_changed_headers(database: str) -> None:
    async def story(world: World, here: Services, there: Services, endpoint: Endpoint, attempt: Callable[[], Awaitable[Request]]) -> None:
        sealed = here.secrets.seal_headers(endpoint.id, {"x-new": "yes"})
        command = SetHeaders(application=world.app, endpoint=endpoint.id, sealed=sealed, expected=None, now=world.now)
        await here.changes.apply(command, application=world.app, endpoint=endpoint.id)
        await there.news.look()
        assert ("x-new", "yes") in (await attempt()).headers

    check(database, story)


def test_a_rotated_secret(database: str) -> None:
    async def story(world: World, here: Services, there: Services, endpoint: Endpoint, attempt: Callable[[], Awaitable[Request]]) -> None:
        secret = SealedSecret(here.secrets.seal_secret(endpoint.id, OTHER), world.now)
        command = RotateSecret(
            application=world.app, endpoint=endpoint.id, secret=secret, old_expires_at=world.now + HOUR, most=9, now=world.now
        )
        await here.changes.apply(command, application=world.app, endpoint=endpoint.id)
        await there.news.look()
        assert len(dict((await attempt()).headers)["webhook-signature"].split()) == 2

    check(database, story)


def test_a_disabled_endpoint(database: str) -> None:
    async def story(world: World, here: Services, there: Services, endpoint: Endpoint, attempt: Callable[[], Awaitable[Request]]) -> None:
        changed = msgspec.structs.replace(endpoint, disabled_reason="manual")
        await here.changes.apply(UpdateEndpoint(endpoint=changed), application=world.app, endpoint=endpoint.id)
        await there.news.look()
        target = await there.directory.target(endpoint.id)
        assert target is not None
        assert target.endpoint.disabled

    check(database, story)


def test_a_deleted_application(database: str) -> None:
    async def story(world: World, here: Services, there: Services, endpoint: Endpoint, attempt: Callable[[], Awaitable[Request]]) -> None:
        command = DeleteApplication(organization=ORG, ref=world.app, now=world.now)
        await here.changes.apply(command, application=world.app)
        await there.news.look()
        assert await there.directory.application(ORG, world.app) is None
        assert await there.directory.target(endpoint.id) is None

    check(database, story)
