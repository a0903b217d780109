"""Waiting for what another process, thread or system does in its own time: it tells of no event, so one looks again."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds: it only tells what takes long from what never happens."""


def eventually(probe: Callable[[], T | None], why: str = "it never came true", seconds: float = PATIENCE) -> T:
    """What `probe` finds, as soon as it finds something that is true; fail, saying why, if it never does."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, why
        time.sleep(0.02)
    return found


async def until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Look again until it holds, while the loop goes on. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # the system, not a task, makes it true
            await asyncio.sleep(0.005)
