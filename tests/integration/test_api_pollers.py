"""Polling endpoints over HTTP: made, shown, read, and never sent to."""

from typing import Any

import pytest

from tests.harness import Receiver
from tests.integration.api import Api, code, problems

ENDPOINTS = "/app/a/endpoint"
POLLER = "/app/a/poller/p"

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def poller(api: Api) -> dict[str, Any]:
    made: dict[str, Any] = api.ok("POST", ENDPOINTS, {"type": "poller", "uid": "p"})
    return made


def send(api: Api, **fields: Any) -> str:
    return str(api.ok("POST", "/app/a/msg", {"eventType": "e", "payload": {"n": 1}} | fields)["id"])


def ids(answer: dict[str, Any]) -> list[str]:
    return [message["id"] for message in answer["data"]]


def test_a_poller_is_made_without_a_url_and_shown_as_one(api: Api, poller: dict[str, Any]) -> None:
    assert (poller["type"], poller["url"]) == ("poller", "")
    assert api.ok("GET", f"{ENDPOINTS}/p") == api.ok("GET", ENDPOINTS)["data"][0] == poller
    assert "type" not in api.ok("POST", ENDPOINTS, {"url": "https://example.com/", "type": "http"})


def test_a_poller_has_no_url_and_an_endpoint_stays_what_it_is(api: Api, poller: dict[str, Any]) -> None:
    url = {"url": "https://example.com/"}
    api.ok("POST", ENDPOINTS, url | {"uid": "h"})
    assert problems(api("POST", ENDPOINTS, {"type": "poller"} | url)) == ["body.url"]
    assert problems(api("POST", ENDPOINTS, {"type": "mail"})) == ["body.type"]
    assert problems(api("POST", ENDPOINTS, {})) == ["body.url"]
    assert problems(api("PATCH", f"{ENDPOINTS}/p", url)) == ["body.url"]
    assert problems(api("PUT", f"{ENDPOINTS}/p", url | {"type": "http"})) == ["body.type", "body.url"]
    assert problems(api("PUT", f"{ENDPOINTS}/h", {"type": "poller"})) == ["body.type", "body.url"]
    assert api.ok("PUT", f"{ENDPOINTS}/p", {"type": "poller", "uid": "p", "description": "d"})["description"] == "d"
    assert api.ok("PUT", f"{ENDPOINTS}/p", {"url": "", "uid": "p", "channels": ["c"]})["type"] == "poller"
    assert api.ok("PATCH", f"{ENDPOINTS}/p", {"filter": {"n": 1}})["filter"] == {"n": 1}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "auth", {"kind": "bearer", "token": "t"}),
        ("PUT", "tls", {"ca": "a"}),
        ("PATCH", "transformation", {"enabled": True}),
        ("POST", "transformation/test", {"payload": {}}),
    ],
)
def test_what_is_asked_by_receivers_alone_is_refused(
    api: Api, poller: dict[str, Any], method: str, path: str, body: dict[str, Any]
) -> None:
    assert code(api(method, f"{ENDPOINTS}/{poller['id']}/{path}", body)) == (400, "poller")


def test_messages_are_read_in_their_order_page_by_page(api: Api, poller: dict[str, Any]) -> None:
    first = api.ok("GET", POLLER)
    assert (first["data"], first["done"]) == ([], True)
    sent = [send(api, eventId=f"m{n}", channels=["c"]) for n in range(3)]
    page = api.ok("GET", POLLER, params={"iterator": first["iterator"], "limit": 2})
    assert (ids(page), page["done"]) == (sent[:2], False)
    message = page["data"][0]
    assert message == {
        "id": sent[0], "eventId": "m0", "eventType": "e", "payload": {"n": 1}, "channels": ["c"], "timestamp": message["timestamp"],
    }  # fmt: skip
    rest = api.ok("GET", POLLER, params={"iterator": page["iterator"], "limit": 2})
    assert (ids(rest), rest["done"]) == (sent[2:], True)
    assert ids(api.ok("GET", POLLER)) == sent, "without an iterator, from the beginning"
    assert ids(api.ok("GET", POLLER, params={"after": message["timestamp"], "channel": "c", "event_type": "e"})) == sent
    assert ids(api.ok("GET", POLLER, params={"after": "2100-01-01T00:00:00Z"})) == []
    assert ids(api.ok("GET", POLLER, params={"event_type": "f"})) == ids(api.ok("GET", POLLER, params={"channel": "d"})) == []


def test_a_body_that_is_no_json_object_is_shown_as_what_it_is(api: Api, poller: dict[str, Any]) -> None:
    send(api, transformationsParams={"rawPayload": "<a/>", "headers": {"content-type": "text/xml"}})
    (message,) = api.ok("GET", POLLER)["data"]
    assert message["payload"] == {"raw": "<a/>", "encoding": "utf-8", "contentType": "text/xml"}


def test_nothing_is_sent_to_a_poller(api: Api, poller: dict[str, Any]) -> None:
    message = send(api)
    assert api.ok("GET", f"/app/a/msg/{message}/endpoint")["data"] == []
    for path, body in (
        (f"/app/a/msg/{message}/endpoint/p/resend", None),
        (f"{ENDPOINTS}/p/recover", {"since": "2026-01-01T00:00:00Z"}),
        (f"{ENDPOINTS}/p/replay-missing", {"since": "2026-01-01T00:00:00Z"}),
        (f"{ENDPOINTS}/p/bulk-replay", {"since": "2026-01-01T00:00:00Z"}),
        (f"{ENDPOINTS}/p/send-example", {"eventType": "svix.ping"}),
    ):
        assert code(api("POST", path, body)) == (400, "poller")
    stats = api.ok("GET", f"{ENDPOINTS}/p/stats")
    assert set(stats.values()) == {0}


def test_a_consumer_goes_on_where_it_acknowledged(api: Api, poller: dict[str, Any]) -> None:
    sent = [send(api) for _ in range(4)]
    path = f"{POLLER}/consumer/c-1"
    first = api.ok("GET", path, params={"limit": 2})
    assert ids(first) == ids(api.ok("GET", path, params={"limit": 2})) == sent[:2]
    second = api.ok("GET", path, params={"limit": 1, "iterator": first["iterator"]})
    assert ids(second) == [sent[2]]
    assert ids(api.ok("GET", f"{POLLER}/consumer/another")) == sent
    assert ids(api.ok("GET", path)) == sent[2:]
    api.ok("GET", path, params={"iterator": second["iterator"]})
    assert code(api("GET", path, params={"iterator": first["iterator"]})) == (409, "consumer_ahead")


def test_a_consumer_seeks_back_once_for_one_key(api: Api, poller: dict[str, Any]) -> None:
    sent = [send(api) for _ in range(2)]
    path = f"{POLLER}/consumer/c"
    first = api.ok("GET", path)
    assert ids(api.ok("GET", path, params={"iterator": first["iterator"]})) == []
    body, key = {"after": first["data"][0]["timestamp"]}, {"idempotency-key": "k"}
    sought = api.ok("POST", f"{path}/seek", body, headers=key)
    again = api.ok("GET", path, params={"iterator": sought["iterator"]})
    assert ids(again) == sent
    api.ok("GET", path, params={"iterator": again["iterator"]})
    assert api.ok("POST", f"{path}/seek", body, headers=key) == sought
    assert ids(api.ok("GET", path)) == [], "a repetition does not go back again"
    assert problems(api("POST", f"{path}/seek", {"after": "yesterday"})) == ["body.after"]


def test_what_cannot_be_polled_says_why(api: Api, poller: dict[str, Any]) -> None:
    api.ok("POST", ENDPOINTS, {"url": "https://example.com/", "uid": "h"})
    assert code(api("GET", "/app/a/poller/h")) == (400, "not_a_poller")
    assert code(api("GET", "/app/a/poller/nobody")) == (404, "not_found")
    assert problems(api("GET", POLLER, params={"iterator": "msg_1"})) == ["query.iterator"]
    assert problems(api("GET", POLLER, params={"iterator": f"-{api.ok('GET', POLLER)['iterator']}"})) == ["query.iterator"]
    assert problems(api("GET", POLLER, params={"limit": 0})) == ["query.limit"]
    assert problems(api("GET", f"{POLLER}/consumer/a%20b")) == ["path.consumer_id"]
    sent = send(api)
    api.ok("PATCH", f"{ENDPOINTS}/p", {"disabled": True})
    assert code(api("GET", POLLER)) == code(api("GET", f"{POLLER}/consumer/c")) == (400, "disabled")
    api.ok("PATCH", f"{ENDPOINTS}/p", {"disabled": False})
    assert ids(api.ok("GET", POLLER)) == [sent]


def test_who_polls_must_be_allowed_to_read_payloads(api: Api, poller: dict[str, Any]) -> None:
    send(api)
    portal = api.portal("a", readOnly=True)
    assert len(portal.ok("GET", POLLER)["data"]) == 1
    assert code(portal("POST", f"{POLLER}/consumer/c/seek", {"after": "2026-01-01T00:00:00Z"})) == (403, "insufficient_access")
    assert code(api.key("message:read")("GET", POLLER)) == (403, "insufficient_access")


def test_an_example_for_another_endpoint_is_not_read(api: Api, poller: dict[str, Any], receiver: Receiver) -> None:
    api.ok("POST", ENDPOINTS, {"url": receiver.url, "uid": "h"})
    api.ok("POST", f"{ENDPOINTS}/h/send-example", {"eventType": "svix.ping"})
    sent = send(api)
    page = api.ok("GET", POLLER)
    assert (ids(page), page["done"]) == ([sent], True)
