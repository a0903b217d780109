"""The engine over a real store, without HTTP: what tests of the store with the engine share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.messages import Content
from hookwright.engine.ingest import NewMessage
from hookwright.engine.services import Services
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.sandbox import Sandbox
from hookwright.sender import Request, Response
from hookwright.store.endpoints import CreateEndpoint
from hookwright.stores.sqlite.store import SqliteStore
from hookwright.vault import Vault
from tests.conformance.makers import ORG, World

SECRET = "whsec_" + "A" * 43 + "="


class Recorder:
    """A receiver of everything; `sent` has the bodies."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, request: Request) -> Response:
        self.sent.put_nowait(request.body)
        return Response(200, b"", False)

    async def close(self) -> None:
        pass


class Held(Recorder):
    """A receiver that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()

    async def send(self, request: Request) -> Response:
        response = await super().send(request)
        await self.answers.wait()
        return response


@asynccontextmanager
async def engine(
    store: SqliteStore, recorder: Recorder, sandbox: Sandbox | None = None, options: EngineOptions | None = None
) -> AsyncIterator[Services]:
    vault = Vault({"k1": bytes(32)}, "k1", bytes)
    async with run_engine(store, recorder, vault, options or EngineOptions(), sandbox=sandbox) as services:
        yield services


async def endpoint_of(world: World, services: Services, **fields: Any) -> Endpoint:
    """An endpoint whose secret opens."""
    made = world.record(**fields).endpoint
    secret = SealedSecret(services.secrets.seal_secret(made.id, SECRET), world.now)
    return await world.store.write(CreateEndpoint(record=EndpointRecord(made, (secret,)), most=9))


async def accept(services: Services, body: bytes, app: str) -> None:
    loaded = await services.directory.application(ORG, app)
    assert loaded is not None
    await services.ingest.accept(loaded, NewMessage(event_type="a.b", content=Content(body)))
