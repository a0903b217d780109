from typing import Any

import pytest

from hookwright.domain.decisions import DELIVERED, Decision, GiveUp, Pause, RetryAt, decide, is_last, seconds_to_wait
from hookwright.domain.deliveries import Trigger
from hookwright.domain.retries import RetryPolicy

NOW = 1_750_000_000_000  # Sun, 15 Jun 2025 15:06:40 GMT
POLICY = RetryPolicy(schedule=(10.0, 100.0), jitter=0.0, longest_retry_after=1000.0)


def of(status: int, **fields: Any) -> Decision:
    values = {"retry_after": None, "trigger": Trigger.SCHEDULED, "attempts": 1, "policy": POLICY, "now": NOW, "rand": 0.5} | fields
    return decide(status=status, **values)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
@pytest.mark.parametrize("trigger", list(Trigger))
def test_any_2xx_is_delivered(status: int, trigger: Trigger) -> None:
    assert of(status, trigger=trigger, attempts=99) == DELIVERED


@pytest.mark.parametrize("status", [0, 100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 408, 429, 500, 502, 503, 599, 999])
def test_everything_else_is_tried_again_by_the_schedule(status: int) -> None:
    assert of(status) == RetryAt(NOW + 10_000)


def test_410_disables_the_endpoint_and_the_delivery_goes_on_by_the_schedule() -> None:
    assert of(410) == RetryAt(NOW + 10_000, disable=True)


def test_410_on_the_last_attempt_disables_too() -> None:
    assert of(410, attempts=3) == GiveUp(disable=True)


def test_410_of_another_url_than_the_endpoint_s_is_a_failure_as_any_other() -> None:
    for attempts, trigger in ((1, Trigger.SCHEDULED), (3, Trigger.SCHEDULED), (1, Trigger.RESEND)):
        assert of(410, attempts=attempts, trigger=trigger, elsewhere=True) == of(500, attempts=attempts, trigger=trigger)
    assert of(503, retry_after="60", elsewhere=True) == RetryAt(NOW + 60_000), "whom it was sent to may ask for patience with it"


def test_the_last_failure_gives_up() -> None:
    assert of(500, attempts=3) == GiveUp()


def test_where_nothing_may_overtake_it_a_delivery_is_not_given_up_by_the_schedule() -> None:
    assert of(500, pauses=True) == of(500)
    for trigger in (Trigger.SCHEDULED, Trigger.RECOVER):
        assert of(500, attempts=3, trigger=trigger, pauses=True) == Pause(NOW + 10_000)
        assert of(410, attempts=4, trigger=trigger, pauses=True) == Pause(NOW + 10_000)
    assert of(500, trigger=Trigger.RESEND, pauses=True) == GiveUp()


def test_a_recover_follows_the_schedule() -> None:
    assert of(500, trigger=Trigger.RECOVER, attempts=2) == RetryAt(NOW + 100_000)


def test_a_resend_is_one_attempt() -> None:
    assert of(500, trigger=Trigger.RESEND) == GiveUp()


def test_a_resend_that_is_answered_410_disables_the_endpoint() -> None:
    assert of(410, trigger=Trigger.RESEND) == GiveUp(disable=True)


@pytest.mark.parametrize("trigger", list(Trigger))
@pytest.mark.parametrize("attempts", [1, 2, 3, 4])
def test_an_attempt_is_the_last_one_if_its_failure_would_be_final(trigger: Trigger, attempts: int) -> None:
    final = isinstance(of(500, trigger=trigger, attempts=attempts), GiveUp)
    assert is_last(trigger=trigger, attempts=attempts, policy=POLICY) is final


def test_a_receiver_may_ask_for_a_longer_wait() -> None:
    assert of(429, retry_after="60") == RetryAt(NOW + 60_000)


def test_a_receiver_may_ask_for_a_longer_wait_up_to_the_longest() -> None:
    assert of(503, retry_after="99999999999999999999999") == RetryAt(NOW + 1_000_000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("9" * 400, 1e9),
        ("Sun, 15 Jun 2025 15:07:40 GMT", 60.0),
        ("Sunday, 15-Jun-25 15:07:40 GMT", 60.0),
        ("Sun, 15 Jun 2025 16:07:40 +0100", 60.0),
        ("Sun, 15 Jun 2025 15:07:40", 60.0),
        ("Sun, 15 Jun 2025 15:06:40 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("-1", None),
        ("1e5", None),
        ("inf", None),
        (".", None),
        ("", None),
        ("soon", None),
        ("١٢", None),
        ("²", None),
        ("Sun, 99 Jun 2025 15:07:40 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 251_652_387_139.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert seconds_to_wait(text, NOW) == seconds


def test_a_nonsensical_retry_after_changes_nothing() -> None:
    assert of(503, retry_after="soon") == of(503)
