"""Scripts take turns: no tenant keeps another waiting for more than what runs already."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hookwright.errors import Busy
from hookwright.sandbox import Tenant
from hookwright.sandboxes.turns import Turns


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


async def settle() -> None:
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def tenant(name: str) -> Tenant:
    """`a`, of an organization that has no other; `x/a`, of one that may."""
    organization, _, application = name.rpartition("/")
    return Tenant(organization or name, application)


class Runs:
    """Takes turns in the background; `begun` names the tenants in the order of their turns."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def add(self, *names: str) -> None:
        for name in names:
            self.tasks.append(asyncio.create_task(self._run(name)))
            await settle()

    async def _run(self, name: str) -> None:
        await self.turns.take(tenant(name))
        self.begun.append(name)


def test_a_tenant_never_has_all_places() -> None:
    async def story() -> None:
        runs = Runs(Turns(2))
        await runs.add("a", "a", "a", "b")
        assert runs.begun == ["a", "b"]

    play(story)


def test_the_only_place_is_everybodys() -> None:
    async def story() -> None:
        runs = Runs(Turns(1))
        await runs.add("a", "a", "b")
        assert runs.begun == ["a"]
        runs.turns.give(tenant("a"))
        await settle()
        assert runs.begun == ["a", "a"]

    play(story)


def test_tenants_are_served_in_turn_however_many_one_of_them_has_waiting() -> None:
    async def story() -> None:
        runs = Runs(Turns(1))
        await runs.add("a", "a", "a", "a", "b", "b", "c")
        for _ in range(6):
            runs.turns.give(tenant(runs.begun[-1]))
            await settle()
        assert runs.begun == ["a", "a", "b", "c", "a", "b", "a"]

    play(story)


def test_an_organization_with_many_applications_has_one_turn_among_others() -> None:
    async def story() -> None:
        runs = Runs(Turns(1))
        await runs.add("x/a", *(f"x/{name}" for name in "bcdef"), "y/a", "z/a", "y/b")
        for _ in range(8):
            runs.turns.give(tenant(runs.begun[-1]))
            await settle()
        assert runs.begun == ["x/a", "x/b", "y/a", "z/a", "x/c", "y/b", "x/d", "x/e", "x/f"]

    play(story)


def test_one_who_has_many_waiting_is_refused_more_and_another_is_let_in() -> None:
    async def story() -> None:
        runs = Runs(Turns(1, most=3, most_of_one=2))
        await runs.add("a", "a", "a")
        with pytest.raises(Busy):
            await runs.turns.take(tenant("a"))
        await runs.add("b")
        with pytest.raises(Busy):
            await runs.turns.take(tenant("b"))
        await runs.add("c")
        for _ in range(4):
            runs.turns.give(tenant(runs.begun[-1]))
            await settle()
        assert runs.begun == ["a", "a", "b", "c", "a"]

    play(story)


def test_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    async def story() -> None:
        runs = Runs(Turns(1))
        await runs.add("a", "b", "b", "c")
        runs.tasks[1].cancel()
        await settle()
        runs.turns.give(tenant("a"))
        await settle()
        runs.turns.give(tenant("b"))
        await settle()
        assert runs.begun == ["a", "b", "c"]

    play(story)


def test_who_is_cancelled_the_moment_it_gets_its_turn_passes_it_on() -> None:
    async def story() -> None:
        runs = Runs(Turns(1))
        await runs.add("a", "b", "c")
        runs.turns.give(tenant("a"))  # b's turn, before b has heard of it
        runs.tasks[1].cancel()
        await settle()
        assert runs.begun == ["a", "c"]

    play(story)


def test_a_turn_never_goes_to_one_who_was_cancelled_just_before() -> None:
    async def story() -> None:
        runs = Runs(Turns(1))
        await runs.add("a", "b", "c")
        runs.tasks[1].cancel()  # b has not heard of it yet
        runs.turns.give(tenant("a"))
        await settle()
        assert runs.begun == ["a", "c"]

    play(story)
