"""What others keep of an endpoint's health, and what was found out here meanwhile."""

import msgspec
import pytest

from hookwright.domain import health as rules
from hookwright.domain.health import DAY, MINUTE, SECOND, Health, Phase, Sign, Spread
from hookwright.domain.hearsay import SKEW, believed, onto

NOW = 1_750_000_000_000
HERE = 7
SPREAD = Spread(0.5)
PROBE_MS = 35 * SECOND
WELL = Health(version=3)
FAILING = Health(version=3, failing_since=NOW - MINUTE, failures=4)
OPEN = rules.open_breaker(FAILING, NOW, SPREAD)


def asked(health: Health, node: int = HERE) -> Health:
    probe = rules.begin_probe(health, node, health.until, health.until + PROBE_MS)
    assert probe is not None
    return probe


def saw(health: Health, sign: Sign, now: int, *, sick: bool = False) -> Health:
    return rules.after_attempt(health, sign, sick, now, SPREAD)


def test_what_nothing_was_added_to_is_theirs() -> None:
    assert onto(OPEN, FAILING, FAILING) == OPEN


def test_a_breaker_that_was_opened_here_stays_open_whatever_they_counted() -> None:
    theirs = saw(FAILING, Sign.SICK, NOW + 1)
    found = onto(theirs, FAILING, saw(FAILING, Sign.SICK, NOW + 2, sick=True))
    assert (found.phase, found.trips, found.failures) == (Phase.OPEN, 1, 6)


def test_a_breaker_that_was_opened_here_stays_open_though_they_recovered_meanwhile() -> None:
    base = Health(version=3, until=NOW - MINUTE, trips=1, ramp_from=NOW - MINUTE)
    found = onto(rules.recovered(base), base, saw(base, Sign.SICK, NOW, sick=True))
    assert (found.phase, found.trips) == (Phase.OPEN, 2)


def test_a_breaker_that_both_opened_is_open_once() -> None:
    theirs = saw(FAILING, Sign.SICK, NOW, sick=True)
    mine = saw(FAILING, Sign.SICK, NOW + 9, sick=True)
    found = onto(theirs, FAILING, mine)
    assert (found.phase, found.until, found.trips, found.failures) == (Phase.OPEN, theirs.until, 1, 6)


@pytest.mark.parametrize(("sign", "phase"), [(Sign.SICK, Phase.OPEN), (Sign.WELL, Phase.HALF_OPEN)])
def test_what_the_one_attempt_came_to_counts_though_they_counted_something_else(sign: Sign, phase: Phase) -> None:
    base = asked(OPEN)
    theirs = saw(base, Sign.SICK, base.until + 1)
    found = onto(theirs, base, rules.after_probe(base, HERE, sign, base.until + 2, SPREAD))
    assert (found.phase, found.prober, found.passed) == (phase, 0, int(sign is Sign.WELL))


def test_what_an_attempt_came_to_that_another_has_by_now_moves_nothing() -> None:
    base = asked(OPEN)
    theirs = msgspec.structs.replace(base, prober=HERE + 1, probe_until=base.probe_until + PROBE_MS)
    assert onto(theirs, base, rules.after_probe(base, HERE, Sign.SICK, base.until, SPREAD)).prober == HERE + 1


def test_who_was_enabled_meanwhile_is_as_the_person_wanted() -> None:
    base = asked(OPEN)
    theirs = rules.enabled(base, NOW + MINUTE, was_sick=False)
    assert onto(theirs, base, rules.after_probe(base, HERE, Sign.SICK, base.until, SPREAD)) == theirs


def test_of_two_wishes_for_patience_the_longer_counts() -> None:
    theirs, mine = rules.wait_until(WELL, NOW + 5), rules.wait_until(WELL, NOW + 9)
    assert onto(theirs, WELL, mine).not_before == onto(mine, WELL, theirs).not_before == NOW + 9
    assert onto(saw(FAILING, Sign.WELL, NOW), FAILING, rules.wait_until(FAILING, NOW + 9)).not_before == NOW + 9


@pytest.mark.parametrize("base", [WELL, FAILING])
def test_failures_on_both_sides_are_counted_from_the_first_of_them(base: Health) -> None:
    found = onto(saw(base, Sign.ALIVE, NOW + 1), base, saw(saw(base, Sign.ALIVE, NOW), Sign.SICK, NOW + 2))
    assert (found.failing_since, found.failures) == (base.failing_since or NOW, base.failures + 3)


def test_a_success_on_either_side_ends_the_counting() -> None:
    success, failure = saw(FAILING, Sign.WELL, NOW), saw(FAILING, Sign.SICK, NOW)
    for theirs, mine in ((success, failure), (failure, success)):
        found = onto(theirs, FAILING, mine)
        assert (found.failing_since, found.failures) == (None, 0)
    again = saw(success, Sign.SICK, NOW + 5)
    assert onto(failure, FAILING, again).failing_since == NOW + 5


def test_times_that_a_rule_makes_are_believed() -> None:
    late = msgspec.structs.replace(OPEN, trips=9, until=NOW + rules.longest_pause(30 * SECOND) * 11 // 10)
    for health in (
        late, asked(OPEN), Health(not_before=NOW + DAY), Health(until=NOW, ramp_from=NOW), Health(until=NOW + SKEW, ramp_from=NOW + SKEW),
    ):  # fmt: skip
        assert believed(health, NOW, 30 * SECOND, PROBE_MS) == health


def test_times_of_a_clock_that_was_ahead_are_not_waited_for() -> None:
    ahead = NOW + 365 * DAY
    opened = believed(rules.open_breaker(FAILING, ahead, SPREAD), NOW, 30 * SECOND, PROBE_MS)
    assert NOW < opened.until <= NOW + 17 * MINUTE
    taken = believed(Health(phase=Phase.HALF_OPEN, prober=1, probe_until=ahead), NOW, 30 * SECOND, PROBE_MS)
    assert taken.probe_until == NOW + PROBE_MS
    other = believed(Health(not_before=ahead, until=ahead, ramp_from=ahead), NOW, 30 * SECOND, PROBE_MS)
    assert (other.not_before, other.until, other.ramp_from) == (NOW + DAY, NOW, NOW)
