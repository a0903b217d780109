"""What a torture is to do, and what is said of it."""

import random
from collections.abc import Callable

import msgspec

Progress = Callable[[str], None]


class Check(msgspec.Struct, frozen=True):
    name: str
    found: str
    holds: bool


class Verdict(msgspec.Struct, frozen=True):
    """`harms`: one row for each thing done, under `columns`."""

    title: str
    columns: tuple[str, ...]
    harms: tuple[tuple[str, ...], ...]
    checks: tuple[Check, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: messages a second; `timed`: whether what is promised within seconds must be, which is no question for a shared machine."""

    seed: int
    messages: int
    rate: float
    times: int
    timed: bool = True


def moments(plan: Plan, chance: random.Random, until: float = 0.95) -> list[int]:
    """Numbers of acknowledged messages at which to strike, up to that share of all."""
    return sorted(chance.randrange(plan.messages // 50, int(plan.messages * until)) for _ in range(plan.times))


def zero(name: str, found: int) -> Check:
    """Of which there must be none."""
    return Check(name, f"{found:,}", found == 0)


def stated(name: str, found: object) -> Check:
    """A figure that nothing is promised of."""
    return Check(name, f"{found:,}" if isinstance(found, int) else str(found), True)
