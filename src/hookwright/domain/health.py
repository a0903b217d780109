"""How an endpoint is, what that lets us send to it, and how it changes with what attempts come to. Pure.

A circuit breaker:

    closed     -- it is sick, see `sightings` --------------------> open       for 30 s, twice as long each time, at most 15 min
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
DAY = 24 * 60 * MINUTE
FIRST_PAUSE, LONGEST_PAUSE = 30 * SECOND, 15 * MINUTE
PASSES = 3
"""Answers, one after another, that close the breaker."""
SHARE, LEAST_SEEN, SEEN_MS = 0.5, 20, 5 * MINUTE
"""This share of failures, of at least so many attempts within so long, opens it."""
IN_A_ROW, MANY_IN_A_ROW = 5, 20
"""And so many without a success between; more where there is much to see, so that chance alone does not do it."""
WELL_AFTER = 10 * MINUTE
"""So long after it closed, an opening is the first again."""
LONGEST_PATIENCE = DAY
"""It may ask to be left alone for so long."""
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


class Spread(msgspec.Struct, frozen=True):
    """How long a breaker stays open the first time (ms), and by chance: `rand` in [0, 1) moves the end by a tenth either way."""

    rand: float
    first_pause: int = FIRST_PAUSE


def longest_pause(first_pause: int) -> int:
    """However often it opens, but for what chance adds (ms)."""
    return first_pause * (LONGEST_PAUSE // FIRST_PAUSE)


def open_breaker(health: Health, now: int, spread: Spread) -> Health:
    trips = 1 if health.phase is Phase.CLOSED and now - health.until > WELL_AFTER else health.trips + 1
    pause = min(longest_pause(spread.first_pause), spread.first_pause * 2 ** min(trips - 1, 10))
    until = now + round(pause * (0.9 + 0.2 * spread.rand))
    return msgspec.structs.replace(health, phase=Phase.OPEN, until=until, trips=trips, passed=0, prober=0, probe_until=0, ramp_from=0)


def begin_probe(health: Health, node: int, now: int, until: int) -> Health | None:
    """The one attempt is `node`'s until `until`; None when it is not to be had."""
    if health.phase is Phase.CLOSED or now < free_at(health):
        return None
    return msgspec.structs.replace(health, phase=Phase.HALF_OPEN, prober=node, probe_until=until)


def end_probe(health: Health, node: int, sign: Sign | None, now: int, spread: Spread) -> Health:
    """The node's attempt came to this; None: it was not made. What another node holds by now is left to it."""
    if health.phase is not Phase.HALF_OPEN or health.prober != node:
        return health
    if sign is None:
        return msgspec.structs.replace(health, prober=0, probe_until=0)
    if sign is Sign.SICK:
        return open_breaker(health, now, spread)
    if health.passed + 1 < PASSES:
        return msgspec.structs.replace(health, passed=health.passed + 1, prober=0, probe_until=0)
    return msgspec.structs.replace(health, phase=Phase.CLOSED, until=now, passed=0, prober=0, probe_until=0, ramp_from=now)


def after_attempt(health: Health, sign: Sign, sick: bool, now: int, spread: Spread) -> Health:
    """An attempt that was no probe came to this. `sick`: what was seen lately opens the breaker (`Sightings`)."""
    if sign is Sign.WELL:
        return _well(health, now)
    health = _count_failure(health, now)
    return open_breaker(health, now, spread) if sick and health.phase is Phase.CLOSED else health


def after_probe(health: Health, node: int, sign: Sign, now: int, spread: Spread) -> Health:
    """The node's one attempt came to this."""
    counted = _well(health, now) if sign is Sign.WELL else _count_failure(health, now)
    return end_probe(counted, node, sign, now, spread)


def wait_until(health: Health, until: int) -> Health:
    """It asked for patience until then."""
    return health if until <= health.not_before else msgspec.structs.replace(health, not_before=until)


def recovered(health: Health) -> Health:
    """Its backlog is gone."""
    return msgspec.structs.replace(health, ramp_from=0)


def enabled(health: Health, now: int, *, was_sick: bool) -> Health:
    """A person enabled it. Who was disabled for being sick is asked first how it is; the clock begins anew."""
    fresh = Health(version=health.version, ramp_from=now, until=now)
    return msgspec.structs.replace(fresh, phase=Phase.OPEN, trips=1, ramp_from=0) if was_sick else fresh


def _well(health: Health, now: int) -> Health:
    """The clock stops; who has been well for long is as one that was never sick."""
    if health.phase is Phase.CLOSED and not health.ramp_from and now - health.until > WELL_AFTER:
        return Health(version=health.version, not_before=health.not_before if health.not_before > now else 0)
    if health.failing_since is None:
        return health
    return msgspec.structs.replace(health, failing_since=None, failures=0, warned=0)


def _count_failure(health: Health, now: int) -> Health:
    since = now if health.failing_since is None else health.failing_since
    return msgspec.structs.replace(health, failing_since=since, failures=health.failures + 1)


LEAST_FAILURES = 10
WARNINGS = (75, 50)


def clock(health: Health, now: int, disable_after: int) -> int:
    """Percent of the time (`disable_after`, ms) that it has succeeded in nothing, as far as that is told of: 0, 50, 75 or 100.

    At 100 it is to be disabled; not for a few failures far between.
    """
    if health.failing_since is None or not disable_after:
        return 0
    share = 100 * (now - health.failing_since) // disable_after
    if share >= 100:
        return 100 if health.failures >= LEAST_FAILURES else WARNINGS[0]
    return next((step for step in WARNINGS if share >= step), 0)
