"""What the settler says of attempts that were not written."""

import asyncio
from typing import Any

import pytest

from hookwright.domain.deliveries import Fence, Key, State
from hookwright.engine import settler
from hookwright.errors import StoreUnavailable
from hookwright.store.deliveries import Settle, Settlement


class Refusing:
    """A store that applies no settlement; `lost` answers are lost before."""

    def __init__(self, lost: int) -> None:
        self._lost = lost

    async def write(self, command: Settle) -> list[bool]:
        self._lost -= 1
        if self._lost >= 0:
            raise StoreUnavailable("the answer is lost")
        return [False] * len(command.settlements)


def settlement(message: str) -> Settlement:
    return Settlement(key=Key("ep_1", message), fence=Fence(1, 0), attempt=None, state=State.SUCCESS, created_at=0, now=0)


def nobody(*_: Any) -> None:
    pass


def made(store: Any) -> settler.Settler:
    return settler.Settler(store, on_settled=nobody, on_given=nobody, on_refused=nobody, on_unwritable=nobody)


def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, lost: int, settlements: int) -> list[str]:
    """Lines of the log that speak of attempts that were not applied."""
    monkeypatch.setattr(settler, "PAUSE_SECONDS", 0)

    async def story() -> None:
        store: Any = Refusing(lost)
        one = made(store)
        for number in range(settlements):
            one.settle(settlement(f"msg_{number}"))
        await one.drain()

    asyncio.run(story())
    return [record.message for record in caplog.records if "count" in record.message]


def test_attempts_that_are_not_applied_do_not_count_and_are_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = said(caplog, monkeypatch, lost=0, settlements=3)
    assert line.startswith("3 attempts do not count")


def test_of_attempts_whose_first_answer_was_lost_it_is_not_said_that_they_do_not_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = said(caplog, monkeypatch, lost=1, settlements=3)
    assert line.startswith("whether 3 attempts count cannot be told")


def test_what_comes_after_a_lost_answer_is_told_apart(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(caplog, monkeypatch, lost=1, settlements=settler.MOST_PER_COMMAND + 1)
    assert [line.partition(" attempts")[0] for line in lines] == [f"whether {settler.MOST_PER_COMMAND}", "1"]


class Counting:
    """A store that applies everything; how many settlements came in each command."""

    def __init__(self) -> None:
        self.commands: list[int] = []

    async def write(self, command: Settle) -> list[bool]:
        self.commands.append(len(command.settlements))
        return [True] * len(command.settlements)


def commands(settlements: int) -> list[int]:
    store: Any = Counting()

    async def story() -> None:
        one = made(store)
        for number in range(settlements):
            one.settle(settlement(f"msg_{number}"))
            for _ in range(3):  # turns of the loop, in which the first could be written alone
                await asyncio.sleep(0)
        await one.drain()

    asyncio.run(asyncio.wait_for(story(), 60))
    return list(store.commands)


def test_attempts_that_end_at_about_the_same_time_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "COMPANY_SECONDS", 0.5)
    assert commands(3) == [3]


def test_what_somebody_waits_for_does_not_wait_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "COMPANY_SECONDS", 3600.0)
    store: Any = Counting()

    async def story() -> None:
        one = made(store)
        one.settle(settlement("msg_1"), hurry=True)
        await one.drain()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert store.commands == [1]


def test_nobody_waits_for_company_where_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "COMPANY", 1)
    monkeypatch.setattr(settler, "COMPANY_SECONDS", 3600.0)
    assert sum(commands(3)) == 3
