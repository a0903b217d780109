"""Lanes of endpoints that get so many messages a second and no more, whoever sends them.

A lane asks the store for the next turns of its endpoint, and of its application if that has a rate: as many as it has deliveries
in memory, which is a second's worth at most. Turns follow each other evenly, so no second holds more than the rate; one that is
not used (the process ended, the delivery went back) is lost.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from hookwright.clock import Clock
from hookwright.engine.directory import Target
from hookwright.engine.lanes import Lane
from hookwright.engine.ongoing import Ongoing
from hookwright.store import Store
from hookwright.store.health import TakeTurns, Turn

SECOND_US = 1_000_000
CATCHING_UP = 0.95
"""Who is late may send so much closer than its turns, until it is not."""


def turns_of(target: Target, recovering: float | None) -> tuple[Turn, ...]:
    """Its rates, and those of its application and of its recovery (`recovering`, messages a second)."""
    endpoint, rate = target.endpoint, recovering
    if endpoint.rate is not None:
        rate = min(rate or math.inf, endpoint.rate)
    turns: tuple[Turn, ...] = () if rate is None else (Turn(endpoint.id, round(SECOND_US / rate)),)
    if target.application_rate is not None:
        turns += (Turn(endpoint.application, round(SECOND_US / target.application_rate)),)
    return turns


class Pace:
    """The turns of one lane: times of the event loop. `ahead`: how many deliveries it may have in memory. `spacing` (seconds) is kept
    between two also when their turns have passed while it waited for something else; the next may go at `next_at`.
    """

    __slots__ = ("ahead", "alarm", "next_at", "spacing", "taking", "times", "turns")

    def __init__(self, turns: tuple[Turn, ...]) -> None:
        self.turns = turns
        longest = max(turn.every for turn in turns)
        self.ahead = max(1, SECOND_US // longest)
        self.spacing = CATCHING_UP * longest / SECOND_US
        self.next_at = 0.0
        self.times: deque[float] = deque()
        self.taking: asyncio.Task[None] | None = None
        self.alarm: asyncio.TimerHandle | None = None


class Paces:
    """`ready` is called with a lane whose turn has come, `failed` with one for which the store gave none."""

    def __init__(self, store: Store, clock: Clock, ready: Callable[[Lane], None], failed: Callable[[Lane, Exception], None]) -> None:
        self._store, self._clock, self._ready, self._failed = store, clock, ready, failed
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = Ongoing("asking when endpoints with a rate may be sent to")

    def set(self, lane: Lane, turns: tuple[Turn, ...]) -> None:
        """From now on its rates are these; none: it has no pace as soon as nothing is queued any more, which would all go at once."""
        if lane.pace is None and not turns:
            return
        if lane.pace is not None and (lane.pace.turns == turns or (lane.queue and not turns)):
            return
        self.drop(lane)
        lane.pace = Pace(turns) if turns else None
        self._ready(lane)  # what waited for a turn of before

    def has_turn(self, lane: Lane) -> bool:
        """Whether its next delivery may be sent now; if not, `ready` is called when it may."""
        pace = lane.pace
        if pace is None:
            return True
        while len(pace.times) > len(lane.queue):  # what they were for went back
            pace.times.pop()
        if len(pace.times) < len(lane.queue) and pace.taking is None:
            pace.taking = asyncio.get_running_loop().create_task(self._take(lane, pace, len(lane.queue) - len(pace.times)))
            self._tasks.add(pace.taking)
            pace.taking.add_done_callback(self._tasks.discard)
        if not pace.times:
            return False
        loop = asyncio.get_running_loop()
        at = max(pace.times[0], pace.next_at)
        if at <= loop.time():
            return True
        if pace.alarm is None:
            pace.alarm = loop.call_at(at, self._ring, lane, pace)
        return False

    def use_turn(self, lane: Lane) -> None:
        """It sends one now."""
        if lane.pace is not None:
            lane.pace.times.popleft()
            lane.pace.next_at = asyncio.get_running_loop().time() + lane.pace.spacing

    def drop(self, lane: Lane) -> None:
        """Its deliveries went back: the turns that they had are not kept for others, which would come too quickly."""
        if lane.pace is not None:
            lane.pace.times.clear()
            if lane.pace.alarm is not None:
                lane.pace.alarm.cancel()
                lane.pace.alarm = None

    async def close(self) -> None:
        """Nothing is sent any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ring(self, lane: Lane, pace: Pace) -> None:
        pace.alarm = None
        if lane.pace is pace:
            self._ready(lane)

    async def _take(self, lane: Lane, pace: Pace, count: int) -> None:
        now = self._clock.now() * 1000
        began = asyncio.get_running_loop().time()
        try:
            firsts = await self._store.write(TakeTurns(turns=pace.turns, count=count, now=now))
        except Exception as error:  # whatever it is: nobody is to wait for a turn that never comes
            self._asking.failed(error)
            self._failed(lane, error)
            return
        finally:
            pace.taking = None
        self._asking.succeeded()
        for n in range(min(count, len(lane.queue) - len(pace.times))):
            at = max(first + n * turn.every for first, turn in zip(firsts, pace.turns, strict=True))
            pace.times.append(began + (at - now) / SECOND_US)
        if lane.pace is pace:
            self._ready(lane)
