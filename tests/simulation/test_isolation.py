"""Endpoints that hang do not keep the others waiting, in virtual time."""

import asyncio
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.messages import Content
from hookwright.engine.bounds import Bounds
from hookwright.engine.ingest import NewMessage
from hookwright.engine.services import Services
from hookwright.runtime.engine import Chance, EngineOptions, run_engine
from hookwright.sender import Failure, Request, Response
from hookwright.store.applications import CreateApplication
from hookwright.store.endpoints import CreateEndpoint
from hookwright.stores.sqlite.store import SqliteStore
from hookwright.vault import Vault
from tests.simulation.loop import START, VirtualClock, VirtualLoop
from tests.simulation.scenario import SECRET, memory_folder

SECONDS = 120
BOUNDS = Bounds(attempts=64, per_endpoint=16, queue=256, queue_per_endpoint=64, claim=16)
"""The proportions of the defaults, an eighth of their size."""


class Receivers:
    """`hang` never answers; `sound` does at once."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.waited: list[int] = []

    async def send(self, request: Request) -> Response | Failure:
        if request.url.endswith("hang"):
            await asyncio.sleep(request.deadline)
            return Failure("timeout", "no answer in time")
        self.waited.append(self._clock.now() - int(request.body))
        return Response(200, b"", False)

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def _make(services: Services, ident: str, kind: str) -> tuple[str, str]:
    app, organization = f"app_{ident}", f"org_{ident}"
    application = Application(id=app, organization=organization, name=ident, created_at=START, updated_at=START)
    await services.store.write(CreateApplication(application=application))
    endpoint = Endpoint(
        id=f"ep_{ident}", application=app, organization=organization, url=f"http://receiver/{kind}", created_at=START, updated_at=START
    )
    secret = SealedSecret(services.secrets.seal_secret(endpoint.id, SECRET), START)
    await services.store.write(CreateEndpoint(record=EndpointRecord(endpoint, (secret,)), most=1))
    return organization, app


async def _waits(loop: VirtualLoop, path: Path, hanging: int) -> list[int]:
    """How long (ms) each message to the one sound endpoint waited, one a second to every endpoint."""
    clock, rand = VirtualClock(loop), random.Random(1)
    receivers = Receivers(clock)
    store = SqliteStore(path, threads=False)
    vault = Vault({"k1": bytes(32)}, "k1", rand.randbytes)
    options = EngineOptions(bounds=BOUNDS, grace=1.0)
    async with run_engine(store, receivers, vault, options, Chance(clock, rand.randbytes, rand.random)) as services:
        places = [await _make(services, f"hang{number}", "hang") for number in range(hanging)]
        places.append(await _make(services, "sound", "sound"))
        for _ in range(SECONDS):
            for organization, app in places:
                loaded = await services.directory.application(organization, app)
                assert loaded is not None
                await services.ingest.accept(loaded, NewMessage(event_type="a", content=Content(str(clock.now()).encode())))
            await asyncio.sleep(1)
    await store.close()
    return receivers.waited


@pytest.mark.parametrize("hanging", [0, 4, 8, 24])
def test_a_sound_endpoint_does_not_wait_for_those_that_hang(hanging: int) -> None:
    loop = VirtualLoop()
    try:
        with memory_folder() as folder:
            waited = loop.run_until_complete(_waits(loop, folder / "store.db", hanging))
    finally:
        loop.close()
    waited.sort()
    assert len(waited) == SECONDS
    assert waited[len(waited) * 3 // 4] <= 10
    assert waited[-1] <= 31_000, "the first attempts may use every slot, once, for the length of a deadline"
