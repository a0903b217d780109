"""What one attempt's result means for its delivery. Pure: the same answer always decides the same.

| result | decision |
|---|---|
| 2xx | delivered |
| 410 | the endpoint is disabled; the delivery goes on by the schedule and is held |
| 410 of another URL, to which a transformation sent it | as anything else: the endpoint was not asked |
| anything else, or no answer | retry by the schedule, never before a Retry-After; given up when the schedule is over |
| the last of these, where nothing may overtake the delivery | it is kept; the endpoint is disabled until somebody enables it |

A redirect is "anything else": it is never followed. A resend is one attempt: its failure is final for that round.
Source: Standard Webhooks 1.0.0, "Delivery"; RFC 9110 section 10.2.3 for Retry-After.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from hookwright.domain.deliveries import Trigger
from hookwright.domain.retries import RetryPolicy

GONE = 410
LEAST_PAUSE = 5.0
"""Seconds, where the schedule has no step."""


class Delivered(msgspec.Struct, frozen=True):
    pass


class RetryAt(msgspec.Struct, frozen=True):
    """`due_at` is Unix ms."""

    due_at: int
    disable: bool = False


class GiveUp(msgspec.Struct, frozen=True):
    disable: bool = False


class Pause(msgspec.Struct, frozen=True):
    """The endpoint is disabled and the delivery kept: what is behind it may not go on without it. `due_at` is Unix ms: not before, should
    somebody enable it, or have changed it meanwhile.
    """

    due_at: int


Decision = Delivered | RetryAt | GiveUp | Pause
DELIVERED = Delivered()


def decide(
    *, status: int, retry_after: str | None, trigger: Trigger, attempts: int, policy: RetryPolicy, now: int, rand: float,
    pauses: bool = False, elsewhere: bool = False,
) -> Decision:  # fmt: skip
    """`status` is 0 when there was no answer; `attempts` counts this one; `now` is Unix ms, `rand` in [0, 1). `pauses`: a delivery that
    is given up would be overtaken; a resend, which a person watches, is given up all the same. `elsewhere`: another URL than the
    endpoint's answered.
    """
    if 200 <= status < 300:
        return DELIVERED
    disable = status == GONE and not elsewhere
    if trigger is Trigger.RESEND:
        return GiveUp(disable)
    asked = seconds_to_wait(retry_after, now) if retry_after else None
    delay = policy.delay(attempts, rand, asked)
    if delay is None:
        return Pause(now + round(1000 * (policy.delay(1, rand, asked) or LEAST_PAUSE))) if pauses else GiveUp(disable)
    return RetryAt(now + round(delay * 1000), disable)


def is_last(*, trigger: Trigger, attempts: int, policy: RetryPolicy) -> bool:
    """Whether a failure of this attempt is final; `attempts` counts it."""
    return trigger is Trigger.RESEND or policy.over(attempts)


def seconds_to_wait(retry_after: str, now: int) -> float | None:
    """Seconds that a Retry-After value asks for: a number, or an HTTP date; None for what is neither, or is past."""
    text = retry_after.strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), 1e9)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    try:
        seconds = (at - datetime.fromtimestamp(now / 1000, UTC)).total_seconds()
    except OverflowError:
        return None
    return seconds if seconds > 0 else None
