"""What becomes of those who wait while a group's commit fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from hookwright.errors import StoreUnavailable
from hookwright.store.nodes import OpenNode
from hookwright.stores.postgres.batches import Batches
from hookwright.stores.postgres.connections import Line
from hookwright.stores.sql.items import Item

MANY = 1000


class Silent:
    """A line on which nothing is answered: each use fails when it is told to."""

    def __init__(self, error: Exception) -> None:
        self.tries, self.error, self.fail = 0, error, asyncio.Event()

    async def use(self, work: Callable[[Any], Awaitable[None]]) -> None:
        self.tries += 1
        await self.fail.wait()
        raise self.error


async def carry_out(connection: Any, items: list[Item[OpenNode]]) -> None:
    raise AssertionError("nobody answers")


def refused(error: Exception) -> tuple[int, int, int]:
    """Of many commands at once: how many tries were made for them, how many were refused, and how many in the next try."""

    async def story() -> tuple[int, int, int]:
        line = Silent(error)
        batches = Batches[OpenNode](cast(Line, line), carry_out)
        asked = [batches.submit(OpenNode(now=0), None, None) for _ in range(MANY)]
        await asyncio.sleep(0)
        line.fail.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        tries = line.tries
        await batches.drain()
        again = batches.submit(OpenNode(now=0), None, None)
        with pytest.raises(StoreUnavailable):
            await again
        return tries, sum(isinstance(answer, StoreUnavailable) for answer in answers), line.tries - tries

    return asyncio.run(story())


def test_whoever_waits_is_refused_with_the_group_that_found_nobody_answering() -> None:
    assert refused(TimeoutError()) == (1, MANY, 1)


def test_a_group_whose_connection_broke_fails_alone_for_the_next_may_have_another() -> None:
    tries, all_of_them, _ = refused(ConnectionResetError())
    assert tries > 1
    assert all_of_them == MANY
