"""When lanes ring, and what is forgotten of times that an earlier one replaced."""

import asyncio

from hookwright.clock import SystemClock
from hookwright.engine.lanes import Lane
from hookwright.engine.timers import Timers


class Stopped:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1_000

    def now(self) -> int:
        return self.at


def test_a_lane_rings_once_at_the_earliest_of_its_times() -> None:
    async def story() -> None:
        clock, rung, done = Stopped(), list[str](), asyncio.Event()
        timers = Timers(clock, lambda lane: rung.append(lane.endpoint), done.set)
        a, b = Lane("a"), Lane("b")
        timers.set(a, 9_000)
        timers.set(b, 5_000)
        timers.set(a, 2_000)
        timers.set(a, 3_000)
        assert (a.due_at, b.due_at) == (2_000, 5_000)
        clock.at = 4_000
        timers.set(Lane("c"), 4_000)  # the loop's timer is set anew by the clock of now
        await asyncio.wait_for(done.wait(), 30)
        assert rung == ["a", "c"]
        assert a.due_at is None
        timers.stop()

    asyncio.run(story())


def test_times_that_were_replaced_do_not_pile_up() -> None:
    async def story() -> None:
        timers = Timers(SystemClock(), lambda lane: None, lambda: None)
        lane = Lane("a")
        for due_at in range(10**15, 10**15 - 10_000, -1):
            timers.set(lane, due_at)
        assert len(timers._due) < 100
        timers.stop()

    asyncio.run(story())


def test_nothing_rings_after_the_end() -> None:
    async def story() -> None:
        clock, rung = Stopped(), list[str]()
        timers = Timers(clock, lambda lane: rung.append(lane.endpoint), lambda: None)
        timers.set(Lane("a"), 0)
        timers.stop()
        timers.set(Lane("b"), 0)
        await asyncio.sleep(0)
        assert rung == []

    asyncio.run(story())
