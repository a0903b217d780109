"""A transformation that has to be stopped again and again is not run for a while."""

import pytest

from hookwright.engine.strikes import FIRST_PAUSE, LIMIT, LONGEST_PAUSE, Strikes

NOW = 1_000_000


def struck(times: int, code: str = "a", now: int = NOW) -> Strikes:
    strikes = Strikes()
    for _ in range(times):
        strikes.saw("ep", code, now, stopped=True)
    return strikes


def test_it_runs_until_it_was_stopped_three_times_in_a_row() -> None:
    assert struck(LIMIT - 1).paused_until("ep", "a", NOW) is None
    assert struck(LIMIT).paused_until("ep", "a", NOW) == NOW + FIRST_PAUSE


def test_one_run_that_ends_by_itself_forgives_all() -> None:
    strikes = struck(LIMIT - 1)
    strikes.saw("ep", "a", NOW, stopped=False)
    strikes.saw("ep", "a", NOW, stopped=True)
    assert strikes.paused_until("ep", "a", NOW) is None


def test_after_the_pause_it_runs_once_and_pauses_longer_if_it_must_be_stopped_again() -> None:
    strikes = struck(LIMIT)
    later = NOW + FIRST_PAUSE
    assert strikes.paused_until("ep", "a", later) is None
    strikes.saw("ep", "a", later, stopped=True)
    assert strikes.paused_until("ep", "a", later) == later + 2 * FIRST_PAUSE


@pytest.mark.parametrize("times", [20, 5000])
def test_a_pause_has_a_longest(times: int) -> None:
    assert struck(times).paused_until("ep", "a", NOW) == NOW + LONGEST_PAUSE


def test_a_changed_script_begins_anew() -> None:
    strikes = struck(LIMIT)
    assert strikes.paused_until("ep", "b", NOW) is None
    strikes.saw("ep", "b", NOW, stopped=True)
    assert strikes.paused_until("ep", "b", NOW) is None


def test_endpoints_are_known_apart() -> None:
    assert struck(LIMIT).paused_until("other", "a", NOW) is None
