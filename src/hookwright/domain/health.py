"""How an endpoint is, what that lets us send to it, and how it changes with what attempts come to. Pure.

A circuit breaker:

    closed     -- five failures in a row, or half of twenty -----> open       for 30 s, twice as long each time, at most 15 min
    open       -- the time is over, there is something to send --> half open  one attempt at a time, by one node
    half open  -- three answers, one after another --------------> closed     with a slow start
    half open  -- one failure -----------------------------------> open

While it is open nothing is sent and no attempt is spent: what is due waits. Everything at an endpoint that was never sick is
what a `Health()` says, and is kept nowhere.

A clock runs from the first failure after the last success: who answers nothing with a 2xx for days is disabled.
"""

from enum import IntEnum

import msgspec

SECOND = 1_000
MINUTE = 60 * SECOND
FIRST_PAUSE, LONGEST_PAUSE = 30 * SECOND, 15 * MINUTE
PASSES = 3
"""Answers, one after another, that close the breaker."""
IN_A_ROW = 5
"""Failures that open it, whatever was before."""
SHARE, LEAST_SEEN, SEEN_MS = 0.5, 20, 5 * MINUTE
"""And this share of at least so many attempts within so long."""
WELL_AFTER = 10 * MINUTE
"""So long after it closed, an opening is the first again."""
RAMP_MS = 10 * SECOND
"""A slow start: one message in the first second, twice as many in each that follows; this long."""


class Phase(IntEnum):
    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class Sign(IntEnum):
    """What one attempt says about its endpoint."""

    WELL = 0
    """A 2xx."""
    ALIVE = 1
    """An answer that is about the message: 3xx, most of 4xx. It fails the attempt, and proves that somebody is there."""
    SICK = 2
    """No answer, 5xx, or one that asks for patience: 408, 425, 429."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix ms. `version` grows with each change that is kept, 0 when nothing is.

    `until`: while open, nothing before; while closed, when it was closed. `trips`: openings since it was well. `passed`: while
    half open, answers in a row; `prober`: the epoch of the node that makes the one attempt (0: nobody), which may be another's from
    `probe_until` on.
    `not_before`: it asked for patience. `ramp_from`: closed again, or enabled, at this time, and its backlog is not gone yet.
    `failing_since`, `failures`: attempts that were no success since the last that was. `warned`: percent of the clock.
    """

    version: int = 0
    phase: Phase = Phase.CLOSED
    until: int = 0
    trips: int = 0
    passed: int = 0
    prober: int = 0
    probe_until: int = 0
    not_before: int = 0
    ramp_from: int = 0
    failing_since: int | None = None
    failures: int = 0
    warned: int = 0

    @property
    def plain(self) -> bool:
        """Whether anything may be sent at any time, and nothing is counted."""
        return self == Health(version=self.version)


def sign_of(status: int) -> Sign:
    """`status` is 0 when there was no answer."""
    if 200 <= status < 300:
        return Sign.WELL
    return Sign.SICK if status == 0 or status >= 500 or status in (408, 425, 429) else Sign.ALIVE


def free_at(health: Health) -> int:
    """Before this time (Unix ms) nothing may be sent, not even to see how it is."""
    match health.phase:
        case Phase.OPEN:
            return max(health.until, health.not_before)
        case Phase.HALF_OPEN if health.prober:
            return max(health.probe_until, health.not_before)
    return health.not_before


def open_breaker(health: Health, now: int, rand: float) -> Health:
    """`rand` in [0, 1) spreads the end of the pause by a tenth either way."""
    trips = 1 if health.phase is Phase.CLOSED and now - health.until > WELL_AFTER else health.trips + 1
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(trips - 1, 10))
    until = now + round(pause * (0.9 + 0.2 * rand))
    return msgspec.structs.replace(health, phase=Phase.OPEN, until=until, trips=trips, passed=0, prober=0, probe_until=0, ramp_from=0)


def begin_probe(health: Health, node: int, now: int, until: int) -> Health | None:
    """The one attempt is `node`'s until `until`; None when it is not to be had."""
    if health.phase is Phase.CLOSED or now < free_at(health):
        return None
    return msgspec.structs.replace(health, phase=Phase.HALF_OPEN, prober=node, probe_until=until)


def end_probe(health: Health, node: int, sign: Sign | None, now: int, rand: float) -> Health:
    """The node's attempt came to this; None: it was not made. What another node holds by now is left to it."""
    if health.phase is not Phase.HALF_OPEN or health.prober != node:
        return health
    if sign is None:
        return msgspec.structs.replace(health, prober=0, probe_until=0)
    if sign is Sign.SICK:
        return open_breaker(health, now, rand)
    if health.passed + 1 < PASSES:
        return msgspec.structs.replace(health, passed=health.passed + 1, prober=0, probe_until=0)
    return msgspec.structs.replace(health, phase=Phase.CLOSED, until=now, passed=0, prober=0, probe_until=0, ramp_from=now)
