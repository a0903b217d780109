"""Which attempts are told of, and what is said."""

import json

import pytest

from hookwright.domain.decisions import DELIVERED, Decision, GiveUp, Pause, RetryAt
from hookwright.domain.deliveries import Trigger
from hookwright.domain.notices import KINDS, LastAttempt, Notice, body, kind_of

AT = 1_767_225_600_000
RETRY, OVER = RetryAt(AT), GiveUp()


@pytest.mark.parametrize(
    ("decision", "number", "kind"),
    [
        (DELIVERED, 1, None),
        (DELIVERED, 4, None),
        (DELIVERED, 5, "message.attempt.recovered"),
        (DELIVERED, 9, "message.attempt.recovered"),
        (RETRY, 3, None),
        (RETRY, 4, "message.attempt.failing"),
        (RetryAt(AT, disable=True), 4, "message.attempt.failing"),
        (RETRY, 5, None),
        (OVER, 1, "message.attempt.exhausted"),
        (OVER, 4, "message.attempt.exhausted"),
        (OVER, 9, "message.attempt.exhausted"),
        (Pause(AT), 9, "message.attempt.exhausted"),
    ],
)
@pytest.mark.parametrize("trigger", [Trigger.SCHEDULED, Trigger.RECOVER])
def test_the_fourth_failure_the_last_one_and_a_late_success_are_told_of(
    decision: Decision, number: int, kind: str | None, trigger: Trigger
) -> None:
    assert kind_of(decision, trigger, number) == kind


@pytest.mark.parametrize("decision", [DELIVERED, OVER])
def test_of_a_resend_nobody_is_told(decision: Decision) -> None:
    assert [kind_of(decision, Trigger.RESEND, number) for number in (1, 5)] == [None, None]


def said(**fields: object) -> dict[str, object]:
    values = {"id": 1, "organization": "org_a", "application": "app_a", "endpoint": "ep_a", "kind": "endpoint.created"} | fields
    found: dict[str, object] = json.loads(body(Notice(**values)))  # type: ignore[arg-type]
    return found


def test_an_event_of_an_endpoint_names_it_and_its_application() -> None:
    names = {"appId": "app_a", "appUid": None, "endpointId": "ep_a", "endpointUid": None}
    assert said() == {"type": "endpoint.created", "data": names}
    named = names | {"appUid": "acme", "endpointUid": "mine"}
    assert said(kind="endpoint.deleted", application_uid="acme", endpoint_uid="mine") == {"type": "endpoint.deleted", "data": named}


@pytest.mark.parametrize(
    ("reason", "since", "wanted"),
    [
        ("manual", None, {"failSince": None, "trigger": "manual"}),
        ("gone", AT, {"failSince": "2026-01-01T00:00:00.000Z", "trigger": "automatic"}),
        ("failing", AT, {"failSince": "2026-01-01T00:00:00.000Z", "trigger": "automatic"}),
        ("unverified", None, {"failSince": None, "trigger": "automatic"}),
        ("exhausted", AT + 5, {"failSince": "2026-01-01T00:00:00.005Z", "trigger": "automatic"}),
    ],
)
def test_who_disabled_an_endpoint_and_since_when_it_failed_is_said(reason: str, since: int | None, wanted: dict[str, object]) -> None:
    data = said(kind="endpoint.disabled", reason=reason, fail_since=since)["data"]
    assert data == {"appId": "app_a", "appUid": None, "endpointId": "ep_a", "endpointUid": None} | wanted


def test_how_far_the_failure_clock_is_is_said() -> None:
    data = said(kind="endpoint.failing", fail_since=AT, percent=75)["data"]
    assert isinstance(data, dict)
    assert (data["failSince"], data["percent"]) == ("2026-01-01T00:00:00.000Z", 75)


def test_an_event_of_an_attempt_names_its_message_and_what_came_of_it() -> None:
    attempt = LastAttempt("atmpt_a", 503, AT)
    assert said(kind="message.attempt.exhausted", message="msg_a", event_id="mine", attempt=attempt)["data"] == {
        "appId": "app_a", "appUid": None, "endpointId": "ep_a", "endpointUid": None, "msgId": "msg_a", "msgEventId": "mine",
        "lastAttempt": {"id": "atmpt_a", "responseStatusCode": 503, "timestamp": "2026-01-01T00:00:00.000Z"},
    }  # fmt: skip


def test_every_event_has_a_name() -> None:
    assert len(KINDS) == len(set(KINDS)) == 9
