"""What others keep of an endpoint's health: how far it is believed here, and what was found out here meanwhile, put on top of it. Pure."""

from typing import Any

import msgspec

from hookwright.domain.health import LONGEST_PATIENCE, MINUTE, Health, Phase, longest_pause, wait_until

_BREAKER = ("phase", "until", "trips", "passed", "prober", "probe_until", "ramp_from")
SKEW = MINUTE
"""Clocks differ by so much, and nobody minds."""


def believed(health: Health, now: int, first_pause: int, longest_probe: int) -> Health:
    """What was kept, without times that no rule can have made at `now`: a clock was ahead, and nobody is to wait for it to be right.

    `longest_probe`: the one attempt is nobody's for longer (ms).
    """
    pause = longest_pause(first_pause) * 11 // 10 if health.phase is Phase.OPEN else 0
    return msgspec.structs.replace(
        health, until=_within(health.until, now + pause), probe_until=_within(health.probe_until, now + longest_probe),
        not_before=_within(health.not_before, now + LONGEST_PATIENCE), ramp_from=_within(health.ramp_from, now),
    )  # fmt: skip


def _within(at: int, latest: int) -> int:
    return at if at <= latest + SKEW else latest


def onto(theirs: Health, base: Health, mine: Health) -> Health:
    """Both were computed from `base`, and `theirs` is kept: what is new in `mine`, on top of that.

    Where both moved the breaker it is theirs, unless they left it closed and it was opened here.
    """
    result = theirs
    if _breaker(mine) != _breaker(base):
        opened = theirs.phase is base.phase is Phase.CLOSED and mine.phase is Phase.OPEN
        if opened or _breaker(theirs) == _breaker(base):
            result = msgspec.structs.replace(theirs, **dict(zip(_BREAKER, _breaker(mine), strict=True)))
    if mine.not_before != base.not_before:
        result = wait_until(result, mine.not_before)
    return _count_onto(result, base, mine)


def _breaker(health: Health) -> tuple[Any, ...]:
    return tuple(getattr(health, name) for name in _BREAKER)


def _count_onto(theirs: Health, base: Health, mine: Health) -> Health:
    """A success on either side ends the counting of what was before it."""
    if (mine.failing_since, mine.failures) == (base.failing_since, base.failures):
        return theirs
    succeeded = base.failing_since is not None and mine.failing_since != base.failing_since
    if succeeded or mine.failing_since is None:
        return msgspec.structs.replace(theirs, failing_since=mine.failing_since, failures=mine.failures, warned=mine.warned)
    if theirs.failing_since is None:
        if base.failing_since is not None:
            return theirs
        return msgspec.structs.replace(theirs, failing_since=mine.failing_since, failures=mine.failures)
    since = min(theirs.failing_since, mine.failing_since)
    return msgspec.structs.replace(theirs, failing_since=since, failures=theirs.failures + mine.failures - base.failures)
