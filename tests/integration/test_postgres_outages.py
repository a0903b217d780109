"""PostgreSQL stopped at once and started again, under writes: refused meanwhile, nothing acknowledged is lost, no reopening."""

import asyncio
from collections.abc import Iterator

import pytest

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.errors import StoreUnavailable
from hookwright.store.messages import FindMessage
from hookwright.store.nodes import OpenNode
from hookwright.stores.postgres.store import open_store
from tests.conformance.deliveries import claim, settle, settlement
from tests.conformance.makers import HOUR, NOW, World
from tests.postgres import Postgres, running_postgres

WRITERS = 8
STOPS = 3
LONG = 60.0


@pytest.fixture
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


class Writers:
    """Write until told to stop, whatever happens; `refused` is set whenever a write was, `acknowledged` has the others."""

    def __init__(self, world: World, endpoint: Endpoint) -> None:
        self.acknowledged: list[str] = []
        self.refused, self.accepted, self.ended = asyncio.Event(), asyncio.Event(), False
        self._world, self._endpoint = world, endpoint

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._write())

    async def _write(self) -> None:
        while not self.ended:
            try:
                message = await self._world.message(self._endpoint)
            except StoreUnavailable:
                self.refused.set()
                await asyncio.sleep(0.01)
            else:
                self.acknowledged.append(message.id)
                self.accepted.set()

    async def see(self, event: asyncio.Event) -> None:
        event.clear()
        await asyncio.wait_for(event.wait(), LONG)


def test_what_was_acknowledged_is_there_and_the_store_goes_on_after_immediate_stops(server: Postgres) -> None:
    async def story() -> None:
        async with open_store(server.url(), now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            writers = Writers(world, endpoint)
            writing = asyncio.create_task(writers.run())
            for _ in range(STOPS):
                await writers.see(writers.accepted)
                await asyncio.to_thread(server.stop)
                await writers.see(writers.refused)
                before = len(writers.acknowledged)
                with pytest.raises(StoreUnavailable):
                    await asyncio.wait_for(store.write(OpenNode(now=NOW)), LONG)
                with pytest.raises(StoreUnavailable):
                    await asyncio.wait_for(world.under_way(), LONG)
                assert len(writers.acknowledged) == before
                await asyncio.to_thread(server.start)
            await writers.see(writers.accepted)
            writers.ended = True
            await writing
            world.now += HOUR
            for ident in writers.acknowledged:
                assert await store.read(FindMessage(application=world.app, ref=ident)) is not None
            rows = await claim(world, endpoint, owner=await store.write(OpenNode(now=NOW)), limit=1)
            assert await settle(world, settlement(world, rows.claimed[0].delivery, State.SUCCESS)) == [True]

    asyncio.run(story())
