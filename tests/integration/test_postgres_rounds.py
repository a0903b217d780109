"""Rounds by hand: two processes never give one message the same round, also when one of the two has ended by then."""

import asyncio
import os
from typing import Any

import asyncpg
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import State
from hookwright.domain.tasks import Kind, Selection
from hookwright.engine.replays import Replays
from hookwright.ids import Minter
from hookwright.store.nodes import OpenNode
from hookwright.store.tasks import ContinueTasks, NextSlice
from hookwright.stores.postgres.store import open_store
from hookwright.stores.sql import tasks
from tests.conformance.deliveries import attempts, claim, settle, settlement
from tests.conformance.makers import HOUR, NOW, World
from tests.conformance.tasks import RATE, begin, carry_on


def test_a_recover_that_was_overtaken_by_a_resend_that_failed_adds_the_round_after_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, go_on, add = asyncio.Event(), asyncio.Event(), tasks._again

    async def slowly(*facts: Any) -> bool:
        looked.set()
        await go_on.wait()
        return await add(*facts)

    async def story() -> None:
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            owner = await store.write(OpenNode(now=NOW))

            async def fail() -> None:
                (row,) = (await claim(world, endpoint, owner=owner)).claimed
                assert await settle(world, settlement(world, row.delivery, State.FAIL)) == [True]

            message = await world.message(endpoint)
            await fail()
            await begin(world, endpoint)
            monkeypatch.setattr(tasks, "_again", slowly)
            recovering = asyncio.ensure_future(store.write(ContinueTasks(now=NOW, limit=10, rate=RATE)))
            await looked.wait()
            await world.resend(message, endpoint)
            await fail()
            go_on.set()
            assert (await recovering).endpoints == (endpoint.id,)
            await fail()
            assert sorted(attempt.key.round for attempt in await attempts(world, message)) == [0, 1, 2]

    asyncio.run(story())


def test_a_recover_goes_on_past_messages_that_are_gone(database: str) -> None:
    """Their outcomes go a moment after them."""

    async def story() -> None:
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            owner = await store.write(OpenNode(now=NOW))
            messages = [await world.message(endpoint) for _ in range(4)]
            for row in (await claim(world, endpoint, owner=owner)).claimed:
                assert await settle(world, settlement(world, row.delivery, State.FAIL)) == [True]
            connection = await asyncpg.connect(database)
            await connection.execute("delete from messages where id = any($1)", [message.id for message in messages[:2]])
            await connection.close()
            await begin(world, endpoint)
            while await store.read(NextSlice()) is not None:
                await carry_on(world, limit=2)
            recovered = (await claim(world, endpoint, owner=owner)).claimed
            assert {row.delivery.key.message for row in recovered} == {message.id for message in messages[2:]}

    asyncio.run(story())


def test_who_finds_every_recover_taken_by_others_does_not_ask_again_at_once(database: str) -> None:
    async def story() -> None:
        async with open_store(database, now=NOW) as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            dispatcher: Any = None
            replays = Replays(store=store, dispatcher=dispatcher, clock=SystemClock(), minter=Minter(os.urandom), begin=lambda: None)
            await replays.start(Kind.RECOVER, world.app, endpoint.id, Selection(since=NOW, until=NOW + HOUR, state=State.FAIL))
            connection = await asyncpg.connect(database)
            async with connection.transaction():
                await connection.execute("select from tasks for update")
                assert not await replays.carry_on()
            await connection.close()
            assert await replays.carry_on()
            assert not await replays.carry_on()

    asyncio.run(story())
