"""What an organization is told of: the events of operational webhooks, and what they say.

| event | when |
|---|---|
| endpoint.created, endpoint.updated, endpoint.deleted | a request did; `updated` also when its secret was rotated |
| endpoint.disabled | by a request, a 410, its failure clock, or because it is ordered and stuck, or not verified |
| endpoint.enabled | by a request |
| endpoint.failing | half, and three quarters, of the time have passed after which it is disabled |
| message.attempt.failing | the fourth attempt failed, and there will be another |
| message.attempt.exhausted | the last attempt of the schedule failed |
| message.attempt.recovered | it was delivered after all, by the fifth attempt or a later one |

Of one delivery there is at most one of each, but an ordered endpoint that was stuck, and is again, exhausts its message again. A resend by
hand makes none: its result is seen by who asked for it. Names and fields are those of Svix's operational webhooks; `endpoint.failing` is
ours.
"""

from typing import Any, Literal, get_args

import msgspec

from hookwright.domain.decisions import Decision, Delivered, RetryAt
from hookwright.domain.deliveries import Trigger
from hookwright.domain.endpoints import DisabledReason
from hookwright.domain.times import rfc3339

AttemptKind = Literal["message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered"]
Kind = Literal[
    "endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled", "endpoint.failing", AttemptKind
]  # fmt: skip
KINDS: tuple[str, ...] = tuple(sorted(get_args(Kind)))
FAILING_AT = 4
"""The attempt whose failure is told of."""


class LastAttempt(msgspec.Struct, frozen=True):
    """`status` is 0 when there was no answer; `at` is Unix ms."""

    id: str
    status: int
    at: int


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as it is kept until it is a message. `id` is never used again. The uids are those at the time of the event.

    `reason`: why an endpoint was disabled; `fail_since` (Unix ms), of one that fails or was disabled for it; `percent`
    of its failure clock. `message`, its `event_id`, `attempt`: what an attempt came to.
    """

    id: int
    organization: str
    application: str
    application_uid: str | None = None
    endpoint: str
    endpoint_uid: str | None = None
    kind: Kind
    reason: DisabledReason | None = None
    fail_since: int | None = None
    percent: int | None = None
    message: str | None = None
    event_id: str | None = None
    attempt: LastAttempt | None = None


def kind_of(decision: Decision, trigger: Trigger, number: int) -> AttemptKind | None:
    """What is to be told of attempt `number` (from 1) that came to this; mostly nothing."""
    if isinstance(decision, Delivered):
        return "message.attempt.recovered" if number > FAILING_AT and trigger is not Trigger.RESEND else None
    if isinstance(decision, RetryAt):
        return "message.attempt.failing" if number == FAILING_AT else None
    return "message.attempt.exhausted" if trigger is not Trigger.RESEND else None


def body(notice: Notice) -> bytes:
    """JSON, as it is sent."""
    return msgspec.json.encode({"type": notice.kind, "data": _data(notice)})


def _data(notice: Notice) -> dict[str, Any]:
    data: dict[str, Any] = {
        "appId": notice.application,
        "appUid": notice.application_uid,
        "endpointId": notice.endpoint,
        "endpointUid": notice.endpoint_uid,
    }
    if notice.kind == "endpoint.disabled":
        data |= {"failSince": _time(notice.fail_since), "trigger": "manual" if notice.reason == "manual" else "automatic"}
    if notice.kind == "endpoint.failing":
        data |= {"failSince": _time(notice.fail_since), "percent": notice.percent}
    if notice.attempt is not None:
        last = notice.attempt
        data |= {
            "msgId": notice.message,
            "msgEventId": notice.event_id,
            "lastAttempt": {"id": last.id, "responseStatusCode": last.status, "timestamp": rfc3339(last.at)},
        }
    return data


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
