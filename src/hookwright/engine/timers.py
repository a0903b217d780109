"""When lanes may have due rows next: one timer of the loop for all of them, for the earliest."""

import asyncio
import heapq
from collections.abc import Callable

from hookwright.clock import Clock
from hookwright.engine.lanes import Lane

LONGEST_SECONDS = 60.0
"""The clock may be set anew meanwhile."""


class Timers:
    """`rung` is called with each lane whose time has come; its `due_at` is None again. Then `after_ringing`, once."""

    def __init__(self, clock: Clock, rung: Callable[[Lane], None], after_ringing: Callable[[], None]) -> None:
        self._clock, self._rung, self._after_ringing = clock, rung, after_ringing
        self._lanes: dict[str, Lane] = {}
        self._due: list[tuple[int, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def set(self, lane: Lane, due_at: int) -> None:
        """Ring at `due_at` (Unix ms), unless it rings before."""
        if lane.due_at is not None and lane.due_at <= due_at:
            return
        lane.due_at = due_at
        self._lanes[lane.endpoint] = lane
        heapq.heappush(self._due, (due_at, lane.endpoint))
        if len(self._due) > 2 * len(self._lanes) + 64:  # an earlier time leaves the later one behind: clear those away
            self._due = [(other.due_at, other.endpoint) for other in self._lanes.values() if other.due_at is not None]
            heapq.heapify(self._due)
        self._arm()

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due and not self._stopped:
            seconds = max(0.0, (self._due[0][0] - self._clock.now()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(min(seconds, LONGEST_SECONDS), self._ring)

    def _ring(self) -> None:
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            due_at, endpoint = heapq.heappop(self._due)
            lane = self._lanes.get(endpoint)
            if lane is not None and lane.due_at == due_at:
                lane.due_at = None
                del self._lanes[endpoint]
                self._rung(lane)
        self._timer = None
        self._arm()
        self._after_ringing()
