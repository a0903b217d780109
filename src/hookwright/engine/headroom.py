"""How much late work may be under way: as much as leaves the loop quick enough for fresh messages.

A backlog at receivers that answer at once keeps the loop as busy as it is allowed to have requests under way: each turn
handles the answers to all of them, and a fresh message, which needs several turns, waits that much longer. So a timer looks how
late it is itself: late work gives way while the loop is slow, and takes its share again while it is not.
"""

import asyncio
from collections.abc import Callable

EVERY_SECONDS = 0.05
SLOW_SECONDS = 0.01
STEP = 8


class Headroom:
    """`slots`: attempts on late work that may be under way now, of at most `most`; never fewer than a quarter of these.

    `grown` is called when there are more of them than before.
    """

    def __init__(self, most: int, grown: Callable[[], None]) -> None:
        self._grown = grown
        self._most, self._least = max(1, most), max(1, most // 4)
        self.slots = self._least
        self._used = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def free(self) -> bool:
        return self._used < self.slots

    def take(self) -> None:
        self._used += 1
        if self._timer is None:
            self._arm()

    def give(self) -> None:
        self._used -= 1

    def learn(self, late: float) -> None:
        """The loop came so many seconds late to what was due."""
        if late > SLOW_SECONDS:
            self.slots = max(self._least, self.slots * 3 // 4)
        elif self.slots < self._most:
            self.slots = min(self._most, self.slots + STEP)
            self._grown()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + EVERY_SECONDS
        self._timer = loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self.learn(asyncio.get_running_loop().time() - self._due)
        self._timer = None
        if self._used:
            self._arm()
