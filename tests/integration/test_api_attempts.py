"""Attempts over HTTP: how they are shown, listed and narrowed."""

from typing import Any

import pytest

from tests.harness import Receiver, Server
from tests.integration.api import Api, code, fresh, problems
from tests.integration.deliveries import endpoint, message, settled

pytestmark = pytest.mark.usefixtures("app")


def test_an_attempt_is_shown_with_what_was_sent_and_what_came_back(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    (attempt,) = settled(api, where["id"], 1)
    assert attempt == {
        "id": attempt["id"],
        "msgId": made["id"],
        "endpointId": where["id"],
        "url": where["url"],
        "timestamp": attempt["timestamp"],
        "status": 0,
        "statusText": "success",
        "triggerType": 0,
        "response": "ok",
        "responseStatusCode": 200,
        "responseDurationMs": attempt["responseDurationMs"],
    }
    assert api.ok("GET", f"/app/a/msg/{made['id']}/attempt/{attempt['id']}") == attempt


def test_every_list_of_attempts_shows_the_same_ones(api: Api, receiver: Receiver) -> None:
    left, right = endpoint(api, receiver, uid="left"), endpoint(api, receiver, uid="right")
    made = message(api, eventId="mine")
    (one,), (other,) = settled(api, left["id"], 1), settled(api, right["id"], 1)
    both = sorted((one["id"], other["id"]), reverse=True)
    assert [attempt["id"] for attempt in api.ok("GET", "/app/a/attempt/msg/mine")["data"]] == both
    assert [attempt["id"] for attempt in api.ok("GET", f"/app/a/msg/{made['id']}/attempt")["data"]] == both
    assert api.ok("GET", "/app/a/attempt/msg/mine", params={"endpoint_id": "left"})["data"] == [one]
    assert api.ok("GET", "/app/a/msg/mine/endpoint/right/attempt")["data"] == [other]
    assert api.ok("GET", "/app/a/attempt/endpoint/left")["data"] == [one]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"status": 2}, True),
        ({"status": 0}, False),
        ({"status_code_class": 500}, True),
        ({"status_code_class": 0}, False),
        ({"channel": "c"}, True),
        ({"channel": "d"}, False),
        ({"event_types": "a.b"}, True),
        ({"event_types": "b"}, False),
        ({"after": "2020-01-01T00:00:00Z"}, True),
        ({"before": "2020-01-01T00:00:00Z"}, False),
    ],
)
def test_attempts_are_narrowed(api: Api, receiver: Receiver, params: dict[str, Any], found: bool) -> None:
    where = endpoint(api, receiver, "/fail")
    made = message(api, channels=["c"])
    attempts = settled(api, where["id"], 1)
    assert api.ok("GET", f"/app/a/attempt/endpoint/{where['id']}", params=params)["data"] == (attempts if found else [])
    assert api.ok("GET", f"/app/a/attempt/msg/{made['id']}", params=params)["data"] == (attempts if found else [])


@pytest.mark.parametrize(
    ("params", "place"),
    [({"status": 9}, "query.status"), ({"status_code_class": 201}, "query.status_code_class"), ({"iterator": "msg_x"}, "query.iterator")],
)
def test_a_bad_parameter_is_refused_by_name(api: Api, receiver: Receiver, params: dict[str, Any], place: str) -> None:
    where = endpoint(api, receiver)
    assert problems(api("GET", f"/app/a/attempt/endpoint/{where['id']}", params=params)) == [place]


def test_without_content_responses_are_not_shown(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    message(api)
    settled(api, where["id"], 1)
    (attempt,) = api.ok("GET", f"/app/a/attempt/endpoint/{where['id']}", params={"with_content": False})["data"]
    assert attempt["response"] == "{}"


def test_an_expunged_response_says_so(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    (attempt,) = settled(api, where["id"], 1)
    path = f"/app/a/msg/{made['id']}/attempt/{attempt['id']}"
    assert api("DELETE", f"{path}/content").status_code == 204
    assert api.ok("GET", path) == attempt | {"response": "EXPUNGED"}


def test_a_messages_destinations_are_listed_with_status_also_when_deleted(api: Api, receiver: Receiver) -> None:
    good, gone = endpoint(api, receiver, uid="good"), endpoint(api, receiver, "/fail")
    made = message(api)
    settled(api, good["id"], 1)
    settled(api, gone["id"], 1)
    api.ok("DELETE", f"/app/a/endpoint/{gone['id']}")
    page = api.ok("GET", f"/app/a/msg/{made['id']}/endpoint", params={"limit": 1})
    (first,) = page["data"]
    assert first == {key: value for key, value in good.items() if key != "metadata"} | {
        "status": 0,
        "statusText": "success",
        "nextAttempt": None,
    }
    assert page["done"] is False
    (second,) = api.ok("GET", f"/app/a/msg/{made['id']}/endpoint", params={"iterator": page["iterator"]})["data"]
    assert second["id"] == gone["id"]
    assert api.ok("GET", f"/app/a/attempt/endpoint/{gone['id']}")["data"]


def test_another_tenants_attempt_does_not_exist(api: Api, server: Server, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    (attempt,) = settled(api, where["id"], 1)
    other = fresh(server)
    other.app(uid="a")
    for method, path in (
        ("GET", f"/app/a/msg/{made['id']}/attempt/{attempt['id']}"),
        ("DELETE", f"/app/a/msg/{made['id']}/attempt/{attempt['id']}/content"),
        ("GET", f"/app/a/attempt/endpoint/{where['id']}"),
        ("GET", f"/app/a/attempt/msg/{made['id']}"),
    ):
        assert code(other(method, path)) == (404, "not_found")


def test_an_attempt_that_is_not_there_is_not_found(api: Api) -> None:
    made = message(api)
    assert code(api("GET", f"/app/a/msg/{made['id']}/attempt/nothing")) == (404, "not_found")
    assert code(api("DELETE", f"/app/a/msg/{made['id']}/attempt/nothing/content")) == (404, "not_found")


def test_an_endpoint_has_the_schedule_that_it_asked_for_whatever_the_others_have(api: Api, receiver: Receiver) -> None:
    """The server's own would bring no second attempt while anybody waits for it."""
    quick, once = endpoint(api, receiver, "/fail", retrySchedule=[0.01, 0.01]), endpoint(api, receiver, "/fail", retrySchedule=[])
    usual = endpoint(api, receiver, "/fail")
    message(api)
    assert len(settled(api, quick["id"], 3)) == 3
    settled(api, once["id"], 1)
    settled(api, usual["id"], 1)
    numbers = [api.ok("GET", f"/app/a/endpoint/{one['id']}/stats") for one in (quick, once, usual)]
    assert [(each["fail"], each["pending"]) for each in numbers] == [(1, 0), (1, 0), (0, 1)]
