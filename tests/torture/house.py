"""A house whose power fails: the real engine over the real SQLite store on a failing disk, with as much load as it takes."""

import asyncio
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hookwright.clock import SystemClock
from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord, SealedSecret
from hookwright.domain.messages import Content
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.ingest import NewMessage
from hookwright.engine.services import Services
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.sender import Failure, Request, Response
from hookwright.store.applications import CreateApplication
from hookwright.store.endpoints import CreateEndpoint
from hookwright.store.messages import Created
from hookwright.stores.sqlite import groups
from hookwright.stores.sqlite.connections import Opening
from hookwright.stores.sqlite.store import SqliteStore
from hookwright.vault import Vault
from tests.torture.disk import FailingDisk, Step
from tests.torture.traffic import payload

PLACES = 2
"""Endpoints, each of which wants every message."""
CALLERS = 16
ORGANIZATION = "org_power"
SECRET = "whsec_" + "A" * 43 + "="
OPTIONS = EngineOptions(policy=AttemptPolicy(retries=RetryPolicy(schedule=(0.02, 0.1, 1.0))))


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One life of the house, until the power fails at the `steps`th step of that kind: of its work, or of all from the first
    opening on (`young`). `checkpoint_pages`: how often the log is written back.
    """

    folder: str
    image: str
    seed: int
    synchronous: str
    steps: int
    kind: Step
    young: bool
    checkpoint_pages: int


def body(seed: int, number: int) -> bytes:
    """Every seventh is larger than a page."""
    return b"[" + b",".join([payload(seed, number)] * (12 if number % 7 == 0 else 1)) + b"]"


def live(life: Life, acknowledged: int) -> None:
    """Ends with the power. `acknowledged`: a descriptor to which `message-id number` is written for each acknowledged message."""
    chance = random.Random(life.seed)
    groups.CHECKPOINT_PAGES = life.checkpoint_pages
    disk = FailingDisk(f"failing-{os.getpid()}", Path(life.folder), Path(life.image), chance)
    if life.young:
        disk.fail_after(life.steps, life.kind)
    asyncio.run(_live(life, disk, chance, acknowledged))


async def _live(life: Life, disk: FailingDisk, chance: random.Random, acknowledged: int) -> None:
    store = SqliteStore(Path(life.folder) / "hookwright.db", opening=Opening(f"failing-{os.getpid()}", life.synchronous))
    vault = Vault({"k1": bytes(32)}, "k1", os.urandom)
    async with run_engine(store, _Sender(chance), vault, OPTIONS) as services:
        application = await _furnish(services)
        if not life.young:
            disk.fail_after(life.steps, life.kind)
        numbers = itertools.count()
        await asyncio.gather(*(_call(services, application, life.seed, chance, numbers, acknowledged) for _ in range(CALLERS)))


async def _furnish(services: Services) -> str:
    now, mint = SystemClock().now(), services.minter.mint
    made = Application(id=mint("app", now), organization=ORGANIZATION, name="a", created_at=now, updated_at=now)
    await services.store.write(CreateApplication(application=made))
    for _ in range(PLACES):
        endpoint = Endpoint(
            id=mint("ep", now), organization=ORGANIZATION, application=made.id, url="https://example.com/", created_at=now, updated_at=now
        )
        secret = SealedSecret(services.secrets.seal_secret(endpoint.id, SECRET), now)
        await services.store.write(CreateEndpoint(record=EndpointRecord(endpoint, (secret,)), most=PLACES))
    return made.id


async def _call(services: Services, application: str, seed: int, chance: random.Random, numbers: Iterator[int], acknowledged: int) -> None:
    for number in numbers:
        await asyncio.sleep(chance.random() * 0.004)  # else all callers are always in one group
        loaded = await services.directory.application(ORGANIZATION, application)
        assert loaded is not None
        created = await services.ingest.accept(loaded, NewMessage(event_type="a.b", content=Content(body(seed, number))))
        assert isinstance(created, Created)
        os.write(acknowledged, f"{created.message.id} {number}\n".encode())


class _Sender:
    """Everybody takes a moment; one in ten is out of order."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def send(self, request: Request) -> Response | Failure:
        await asyncio.sleep(self._chance.random() * 0.004)
        return Failure("refused", "nobody there") if self._chance.random() < 0.1 else Response(200, b"", False)

    async def close(self) -> None:
        pass
