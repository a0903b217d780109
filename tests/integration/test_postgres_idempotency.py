"""One idempotency key on two processes at the same moment: one effect, one answer, whoever was faster."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hookwright.domain.applications import Application
from hookwright.domain.event_types import EventType
from hookwright.errors import Invalid
from hookwright.store import Command, Once, Remembered
from hookwright.store.applications import CreateApplication
from hookwright.store.endpoints import CreateEndpoint
from hookwright.store.event_types import CreateEventType
from hookwright.stores.postgres.store import open_store
from tests.conformance.makers import HOUR, NOW, ORG, World

REPETITIONS = 40
Make = Callable[[World, str], Command[Any]]


def application(world: World, uid: str) -> Command[Any]:
    ident = world.mint.mint("app", NOW)
    return CreateApplication(application=Application(id=ident, organization=ORG, uid=uid, name="a", created_at=NOW, updated_at=NOW))


def endpoint(world: World, uid: str) -> Command[Any]:
    return CreateEndpoint(record=world.record(uid=uid), most=1000)


def event_type(world: World, uid: str) -> Command[Any]:
    return CreateEventType(event_type=EventType(organization=ORG, name=uid, description="", created_at=NOW, updated_at=NOW))


def once(key: str, fingerprint: bytes = b"same") -> Once[Any]:
    return Once(key=key.encode(), fingerprint=fingerprint, remember=lambda _: key.encode(), now=NOW, expires_at=NOW + HOUR)


@pytest.mark.parametrize("make", [application, endpoint, event_type])
def test_a_request_that_two_processes_get_is_answered_once_and_remembered(database: str, make: Make) -> None:
    async def story() -> None:
        async with open_store(database, now=NOW) as one, open_store(database, now=NOW) as other:
            world = World(one)
            await world.application()
            for n in range(REPETITIONS):
                uid = f"u{n}"
                order = (one, other) if n % 2 else (other, one)
                answers = await asyncio.gather(*(store.write(make(world, uid), once=once(uid)) for store in order))
                assert [answer for answer in answers if isinstance(answer, Remembered)] == [Remembered(uid.encode())]

    asyncio.run(story())


def test_another_request_with_the_key_is_told_so_and_not_of_the_uid(database: str) -> None:
    async def story() -> None:
        async with open_store(database, now=NOW) as one, open_store(database, now=NOW) as other:
            world = World(one)
            await world.application()
            for n in range(REPETITIONS):
                uid = f"u{n}"
                asked = (one.write(application(world, uid), once=once(uid)), other.write(application(world, uid), once=once(uid, b"other")))
                answers = await asyncio.gather(*asked, return_exceptions=True)
                assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Invalid]

    asyncio.run(story())
