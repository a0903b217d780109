"""What is taken out of the queue to be canceled is sent after all, when it was not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hookwright.domain.pages import PageRequest
from hookwright.engine.bounds import Bounds
from hookwright.errors import StoreUnavailable
from hookwright.runtime.engine import EngineOptions, run_engine
from hookwright.sender import Request, Response
from hookwright.store import Command, Store
from hookwright.store.messages import CancelMessage, ListMessages
from hookwright.stores.sqlite.store import open_store
from hookwright.vault import Vault
from tests.conformance.makers import World
from tests.integration.engines import Held, accept, endpoint_of

GENEROUS = 30


class Refusing:
    """A store that cancels no message."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, command: Command[Any], **options: Any) -> Any:
        if isinstance(command, CancelMessage):
            assert len(command.held) == 1, "it was to be in the queue"
            raise StoreUnavailable("the disk is full")
        return await self._store.write(command, **options)


class Noting(Held):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def send(self, request: Request) -> Response:
        self.count += 1
        return await super().send(request)


def test_a_message_that_could_not_be_canceled_is_delivered(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world, receiver, refusing = World(store), Noting(), Refusing(store)
            await world.application()
            options = EngineOptions(bounds=Bounds(per_endpoint=1))
            async with run_engine(refusing, receiver, Vault({"k1": bytes(32)}, "k1", bytes), options) as services:
                await endpoint_of(world, services)
                for body in (b"1", b"2", b"3"):
                    await accept(services, body, world.app)
                assert await asyncio.wait_for(receiver.sent.get(), GENEROUS) == b"1"
                page = await store.read(ListMessages(application=world.app, page=PageRequest(order="ascending")))
                with pytest.raises(StoreUnavailable):
                    await services.changes.cancel_message(world.app, page.data[1].message.id, services.clock.now())
                receiver.answers.set()
                assert {await asyncio.wait_for(receiver.sent.get(), GENEROUS) for _ in range(2)} == {b"2", b"3"}
        assert receiver.count == 3

    asyncio.run(run())
