"""Which times an endpoint's statistics are about."""

import pytest

from hookwright.api.endpoints import HOUR, stats_range
from hookwright.errors import BadRequest

DAY = 24 * HOUR
NOW = 20_000 * DAY + 5 * HOUR + 1234


def test_without_times_it_is_28_days_in_whole_hours_and_all_that_is_new() -> None:
    assert stats_range(None, None, NOW) == (19_972 * DAY + 5 * HOUR, 20_000 * DAY + 6 * HOUR)


@pytest.mark.parametrize("until", [None, NOW + 1, NOW + 10, 20_000 * DAY + 6 * HOUR])
def test_an_end_that_is_not_past_is_that_of_its_hour_and_a_beginning_is_what_was_asked_for(until: int | None) -> None:
    assert stats_range(NOW - 3, until, NOW) == (NOW - 3, 20_000 * DAY + 6 * HOUR)


def test_an_end_that_is_past_is_what_was_asked_for() -> None:
    assert stats_range(7, NOW, NOW) == (7, NOW)
    assert stats_range(None, NOW, NOW) == (19_972 * DAY + 5 * HOUR, NOW)


def test_a_beginning_after_now_is_refused_when_the_end_is_now() -> None:
    with pytest.raises(BadRequest):
        stats_range(NOW + 2, None, NOW)
