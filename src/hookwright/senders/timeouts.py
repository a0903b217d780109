"""What has to be over some seconds after it began, with one timer of the loop for all of it.

A timer for each request would be armed and cancelled thousands of times a second and hardly ever ring.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Timeouts(Generic[T]):
    """Calls `ring` with every item that is still here `seconds` after it was added.

    All wait equally long, so the order in which they came is the order in which they are due.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, ring: Callable[[T], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._ring = ring
        self._due: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def add(self, item: T) -> None:
        """One that is not here yet."""
        due = self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def remove(self, item: T) -> float | None:
        """When it would have been due, by the loop's time, if it was here."""
        return self._due.pop(item, None)

    def _look(self) -> None:
        now = self._loop.time()
        try:
            while self._due and next(iter(self._due.values())) <= now:
                item = next(iter(self._due))
                del self._due[item]
                self._ring(item)
        finally:  # whatever became of one, the others are not forgotten
            self._timer = self._loop.call_at(next(iter(self._due.values())), self._look) if self._due else None

    def close(self) -> None:
        """Forget all of it."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
