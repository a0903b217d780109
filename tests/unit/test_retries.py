import pytest

from hookwright.domain.retries import DAY, DEFAULT_SCHEDULE, RetryPolicy

POLICY = RetryPolicy(schedule=(10.0, 100.0), jitter=0.2)


def test_the_default_is_ten_attempts_over_75_hours_35_minutes_5_seconds() -> None:
    assert len(DEFAULT_SCHEDULE) + 1 == 10
    assert sum(DEFAULT_SCHEDULE) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize(("failures", "rand", "expected"), [(1, 0.0, 8.0), (1, 0.5, 10.0), (1, 1.0, 12.0), (2, 0.0, 80.0), (2, 0.5, 100.0)])
def test_each_step_is_spread_by_the_jitter(failures: int, rand: float, expected: float) -> None:
    assert POLICY.delay(failures, rand) == pytest.approx(expected)


def test_it_is_over_when_every_step_was_used() -> None:
    assert POLICY.delay(3, 0.5) is None


def test_an_empty_schedule_is_over_after_the_first_attempt() -> None:
    assert RetryPolicy(schedule=()).delay(1, 0.5) is None


def test_retry_after_lengthens_the_wait() -> None:
    assert POLICY.delay(1, 0.5, 60.0) == 60.0


def test_retry_after_never_shortens_the_wait() -> None:
    assert POLICY.delay(2, 0.5, 1.0) == 100.0


def test_retry_after_is_cut_at_its_longest() -> None:
    assert POLICY.delay(1, 0.5, 10 * DAY) == DAY


def test_retry_after_does_not_prolong_the_schedule() -> None:
    assert POLICY.delay(3, 0.5, 60.0) is None
