"""Messages over HTTP: how they are shown, listed and narrowed, and what happens to a content."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.harness import Receiver, Server
from tests.integration.api import Api, code, fresh, problems
from tests.integration.deliveries import endpoint, message, settled

pytestmark = pytest.mark.usefixtures("app")


def ids(api: Api, path: str = "/app/a/msg", **params: Any) -> list[str]:
    return [one["id"] for one in api.ok("GET", path, params=params)["data"]]


def test_a_payload_is_shown_with_the_very_bytes_it_was_given(api: Api) -> None:
    body = b'{"eventType":"a","payload":{"n": 1.0,  "big":12345678901234567890, "s":"\\u00e9"}}'
    made = api("POST", "/app/a/msg", content=body).json()
    shown = api("GET", f"/app/a/msg/{made['id']}").content
    assert b'"payload":{"n": 1.0,  "big":12345678901234567890, "s":"\\u00e9"}' in shown


def test_a_message_is_found_by_its_event_id(api: Api) -> None:
    made = message(api, eventId="mine", channels=["c"])
    assert api.ok("GET", "/app/a/msg/mine") == made
    assert (made["eventId"], made["channels"], made["payload"]) == ("mine", ["c"], {"n": 1})


def test_a_body_that_is_no_json_object_is_shown_as_text_with_its_type(api: Api) -> None:
    made = message(api, payload={}, transformationsParams={"rawPayload": "<a/>", "headers": {"content-type": "text/xml"}})
    assert api.ok("GET", f"/app/a/msg/{made['id']}")["payload"] == {"raw": "<a/>", "encoding": "utf-8", "contentType": "text/xml"}


def test_a_raw_body_that_only_looks_like_json_does_not_break_the_answer(api: Api) -> None:
    made = message(api, payload={}, transformationsParams={"rawPayload": '{"a":'})
    assert api.ok("GET", f"/app/a/msg/{made['id']}")["payload"]["raw"] == '{"a":'


def test_without_content_payloads_are_empty(api: Api) -> None:
    made = message(api)
    assert api.ok("GET", f"/app/a/msg/{made['id']}", params={"with_content": False})["payload"] == {}
    assert api.ok("GET", "/app/a/msg", params={"with_content": "false"})["data"][0]["payload"] == {}


def test_who_may_not_see_payloads_is_shown_none_and_refused_when_asking(api: Api) -> None:
    made = message(api)
    key = api.key("message:read")
    assert key.ok("GET", f"/app/a/msg/{made['id']}")["payload"] == {}
    assert code(key("GET", f"/app/a/msg/{made['id']}", params={"with_content": True}))[0] == 403


def test_messages_are_listed_newest_first_page_by_page(api: Api) -> None:
    made = [message(api)["id"] for _ in range(5)][::-1]
    first = api.ok("GET", "/app/a/msg", params={"limit": 3})
    second = api.ok("GET", "/app/a/msg", params={"limit": 3, "iterator": first["iterator"]})
    back = api.ok("GET", "/app/a/msg", params={"limit": 3, "iterator": second["prevIterator"]})
    assert [one["id"] for one in first["data"] + second["data"]] == made
    assert (first["done"], second["done"], back["data"]) == (False, True, first["data"])


def test_an_empty_page_has_no_way_back(api: Api) -> None:
    assert api.ok("GET", "/app/a/msg") == {"data": [], "iterator": None, "done": True}


@pytest.mark.parametrize(
    "query", ["event_types=a,b", "event_types=a&event_types=b", "event_types[]=a&event_types[]=b", "event_types[0]=a&event_types[1]=b"]
)
def test_event_types_are_read_in_every_spelling(api: Api, query: str) -> None:
    wanted = [message(api, eventType=name)["id"] for name in ("a", "b", "c")][:2]
    assert [one["id"] for one in api.ok("GET", f"/app/a/msg?{query}")["data"]] == wanted[::-1]


def test_messages_are_narrowed_by_channel(api: Api) -> None:
    made = message(api, channels=["x", "y"])
    message(api, channels=["z"])
    assert ids(api, channel="y") == [made["id"]]


@pytest.mark.parametrize("spelling", ["rfc3339", "offset", "display"])
def test_times_are_read_in_both_spellings(api: Api, spelling: str) -> None:
    made = message(api)
    at = datetime.fromisoformat(made["timestamp"])

    def text(moment: datetime) -> str:
        if spelling == "display":
            return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f000 UTC")
        shift = timedelta(hours=0 if spelling == "rfc3339" else 2)
        return (moment + shift).strftime("%Y-%m-%dT%H:%M:%S.%f") + ("Z" if not shift else "+02:00")

    step = timedelta(milliseconds=4)
    assert ids(api, after=text(at), before=text(at + step)) == [made["id"]]
    assert ids(api, after=text(at + step)) == []
    assert ids(api, before=text(at)) == []


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"limit": 251}, "query.limit"),
        ({"limit": -1}, "query.limit"),
        ({"iterator": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"}, "query.iterator"),
        ({"channel": "not one"}, "query.channel"),
        ({"before": "2026-01-01"}, "query.before"),
        ({"after": "2026-02-30T00:00:00Z"}, "query.after"),
        ({"event_types": "a,b c"}, "query.event_types"),
        ({"with_content": "perhaps"}, "query.with_content"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(api: Api, params: dict[str, Any], place: str) -> None:
    assert problems(api("GET", "/app/a/msg", params=params)) == [place]


@pytest.mark.parametrize("path", ["", "/endpoint", "/attempt"])
def test_another_tenants_message_does_not_exist(api: Api, server: Server, path: str) -> None:
    made = message(api, eventId="mine")
    other = fresh(server)
    other.app(uid="a")
    assert code(other("GET", f"/app/a/msg/{made['id']}{path}")) == (404, "not_found")
    assert code(other("GET", f"/app/a/msg/mine{path}")) == (404, "not_found")
    assert code(other("DELETE", f"/app/a/msg/{made['id']}/content")) == (404, "not_found")


def test_an_expunged_content_is_gone_and_the_message_stays(api: Api) -> None:
    made = message(api, eventId="mine")
    assert api("DELETE", "/app/a/msg/mine/content").status_code == 204
    assert api.ok("GET", "/app/a/msg/mine") == made | {"payload": {"expired": True}}
    assert api.ok("GET", "/app/a/msg")["data"] == [made | {"payload": {"expired": True}}]


def test_a_portal_token_cannot_expunge(api: Api) -> None:
    made = message(api)
    assert api.portal("a")("DELETE", f"/app/a/msg/{made['id']}/content").status_code == 403


def test_an_endpoints_messages_carry_their_status(api: Api, receiver: Receiver) -> None:
    good, bad = endpoint(api, receiver), endpoint(api, receiver, "/fail")
    made = message(api)
    settled(api, good["id"], 1)
    settled(api, bad["id"], 1)
    (delivered,) = api.ok("GET", f"/app/a/endpoint/{good['id']}/msg")["data"]
    assert delivered == made | {"status": 0, "statusText": "success"}
    (waiting,) = api.ok("GET", f"/app/a/endpoint/{bad['id']}/msg")["data"]
    assert (waiting["status"], waiting["statusText"]) == (1, "pending")
    assert waiting["nextAttempt"] > made["timestamp"]


def test_an_endpoints_messages_are_narrowed_by_status(api: Api, receiver: Receiver) -> None:
    good = endpoint(api, receiver)
    made = message(api)
    settled(api, good["id"], 1)
    path = f"/app/a/endpoint/{good['id']}/msg"
    assert ids(api, path, status=0) == [made["id"]]
    assert [ids(api, path, status=status) for status in (1, 2, 3, 4)] == [[], [], [], []]
    assert problems(api("GET", path, params={"status": 5})) == ["query.status"]
    assert problems(api("GET", path, params={"status": "success"})) == ["query.status"]


def test_what_is_sent_to_a_disabled_endpoint_waits_as_pending(api: Api, receiver: Receiver) -> None:
    held = endpoint(api, receiver, disabled=True)
    message(api)
    (waiting,) = api.ok("GET", f"/app/a/endpoint/{held['id']}/msg")["data"]
    assert (waiting["status"], "nextAttempt" in waiting) == (1, False)
