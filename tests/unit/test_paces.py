"""Turns of lanes with a rate, where the store gives none."""

import asyncio
import logging
from typing import Any, cast

import pytest

from hookwright.engine.lanes import Lane
from hookwright.engine.paces import Pace, Paces
from hookwright.errors import StoreUnavailable
from hookwright.store.health import TakeTurns, Turn


class Broken:
    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    def now(self) -> int:
        return 1_750_000_000_000

    async def write(self, command: TakeTurns) -> tuple[int, ...]:
        if self.error is not None:
            raise self.error
        return tuple(command.now for _ in command.turns)


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), RuntimeError("a mistake of ours")])
def test_whatever_keeps_the_store_from_giving_turns_is_told_and_they_can_be_asked_for_again(error: Exception) -> None:
    async def story() -> None:
        store, failed = Broken(error), []
        paces = Paces(cast(Any, store), store, lambda lane: None, lambda lane, error: failed.append(error))
        lane = Lane("ep_1")
        lane.pace = Pace((Turn("ep_1", 20_000),))
        lane.queue.append(cast(Any, object()))
        for _ in range(2):
            assert not paces.has_turn(lane)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert failed == [error, error]
        store.error = None
        assert not paces.has_turn(lane)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert paces.has_turn(lane)
        await paces.close()

    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(story())
    finally:
        logging.disable(logging.NOTSET)
