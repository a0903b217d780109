"""When a node looks for what is due: after whatever may have freed something that nobody was told of."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from hookwright.clock import SystemClock
from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.membership import NOBODY_MS, Membership
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.nodes import RenewLease, TakeOver
from tests.simulation.loop import VirtualLoop

LEASE_SECONDS = 3.0
CHANCE_SECONDS = 2.0
"""The pause between two renewals, and a third of that lease."""
START_SECONDS = 1.2
"""The pause after a renewal that failed, and a third of that lease."""


class Answers:
    """A store with the answers to come; None is one that is lost. And the dispatcher that counts its looks."""

    def __init__(self) -> None:
        self.alive, self.freed = True, list[int | None]()
        self.owner, self.looks = 1, 0
        self.lost_look = self.lost_renewal = False
        self.renews_for = 0.0
        self.asked: list[int] = []
        """How long a silence each take-over was to end."""
        self.asked_at: list[float] = []

    async def write(self, command: Any) -> Any:
        if isinstance(command, RenewLease):
            if self.renews_for:
                await asyncio.sleep(self.renews_for)
            if self.lost_renewal:
                raise StoreUnavailable("no database")
            return self.alive
        if isinstance(command, TakeOver):
            self.asked.append(command.lease_ms)
            self.asked_at.append(asyncio.get_running_loop().time())
            freed = self.freed.pop(0) if self.freed else 0
            if freed is None:
                raise StoreUnavailable("the answer is lost")
            return freed
        return self.owner + 1

    def patient(self) -> list[bool]:
        return [lease_ms == NOBODY_MS for lease_ms in self.asked]

    def begin_again(self, owner: int) -> None:
        self.owner, self.alive = owner, True

    def lease(self, until: float) -> None:
        pass

    async def look_again(self) -> None:
        if self.lost_look:
            self.lost_look = False
            raise StoreUnavailable("the answer is lost")
        self.looks += 1


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def membership(answers: Answers) -> Membership:
    return Membership(store=cast(Store, answers), dispatcher=cast(Dispatcher, answers), clock=SystemClock(), lease_ms=1000)


def test_a_take_over_that_freed_nothing_is_no_reason_to_look(answers: Answers, membership: Membership) -> None:
    asyncio.run(membership.look_after_others())
    assert answers.looks == 0


def test_what_was_freed_is_looked_for_once(answers: Answers, membership: Membership) -> None:
    answers.freed = [3]
    for _ in range(2):
        asyncio.run(membership.look_after_others())
    assert answers.looks == 1


def test_a_take_over_whose_answer_was_lost_is_followed_by_a_look(answers: Answers, membership: Membership) -> None:
    answers.freed = [None]
    with pytest.raises(StoreUnavailable):
        asyncio.run(membership.look_after_others())
    asyncio.run(membership.look_after_others())
    assert answers.looks == 1


def test_a_look_that_failed_is_made_again(answers: Answers, membership: Membership) -> None:
    answers.freed, answers.lost_look = [3], True
    with pytest.raises(StoreUnavailable):
        asyncio.run(membership.look_after_others())
    asyncio.run(membership.look_after_others())
    assert answers.looks == 1


def test_a_node_that_begins_again_looks(answers: Answers, membership: Membership) -> None:
    answers.alive = False
    asyncio.run(membership.beat())
    assert answers.owner == 2
    asyncio.run(membership.look_after_others())
    assert answers.looks == 1


def of(answers: Answers) -> Membership:
    return Membership(
        store=cast(Store, answers), dispatcher=cast(Dispatcher, answers), clock=SystemClock(), lease_ms=round(LEASE_SECONDS * 1000)
    )


def simulated(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story)


async def run_for(membership: Membership, seconds: float) -> None:
    running = asyncio.create_task(membership.run())
    await asyncio.sleep(seconds)
    running.cancel()


def test_it_looks_every_half_second_but_ends_nobody_before_all_had_a_chance_to_renew(answers: Answers) -> None:
    simulated(run_for(of(answers), 4.0))
    assert answers.asked_at == pytest.approx([0.0, 0.5, 1.0, *(START_SECONDS + 0.5 * n for n in range(6))])
    assert answers.patient() == [at < START_SECONDS for at in answers.asked_at]


def test_a_renewal_that_is_under_way_puts_no_take_over_off(answers: Answers) -> None:
    answers.renews_for = 0.9
    simulated(run_for(of(answers), 20.1))
    assert len(answers.asked) == 41
    assert answers.patient() == [at < START_SECONDS for at in answers.asked_at]


def test_who_is_late_with_its_renewal_ends_nobody_until_a_lease_after_it(answers: Answers) -> None:
    async def story() -> None:
        running = asyncio.create_task(of(answers).run())
        await asyncio.sleep(3.9)  # the last of its renewals was a moment before 3 s
        answers.renews_for = 2.2
        await asyncio.sleep(0.2)
        answers.renews_for = 0
        await asyncio.sleep(8)
        running.cancel()

    simulated(story())
    late, well_again = 3 + CHANCE_SECONDS, 4 + 2.2 + LEASE_SECONDS
    assert answers.patient() == [at < START_SECONDS or late <= at < well_again - 0.01 for at in answers.asked_at]


def test_who_could_not_renew_its_own_lease_ends_nobody_for_a_lease(answers: Answers) -> None:
    async def story() -> None:
        membership = Membership(store=cast(Store, answers), dispatcher=cast(Dispatcher, answers), clock=SystemClock(), lease_ms=3_600_000)
        await membership.look_after_others()
        answers.lost_renewal = True
        with pytest.raises(StoreUnavailable):
            await membership.beat()
        await membership.look_after_others()
        answers.lost_renewal = False
        await membership.beat()
        await membership.look_after_others()

    asyncio.run(story())
    assert answers.asked == [3_600_000, NOBODY_MS, NOBODY_MS]


def test_after_a_lease_it_ends_those_who_are_still_silent(answers: Answers) -> None:
    async def story() -> None:
        membership = Membership(store=cast(Store, answers), dispatcher=cast(Dispatcher, answers), clock=SystemClock(), lease_ms=0)
        answers.lost_renewal = True
        with pytest.raises(StoreUnavailable):
            await membership.beat()
        answers.lost_renewal = False
        await membership.beat()
        await membership.look_after_others()

    asyncio.run(story())
    assert answers.asked == [0]
