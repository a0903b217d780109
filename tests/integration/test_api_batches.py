"""Batches of messages over HTTP: each message is judged and answered by itself, and what was kept is delivered."""

from typing import Any

import httpx
import pytest

from hookwright.api import message_batch
from tests.harness import Receiver
from tests.integration.api import Api, code, fresh, problems
from tests.integration.deliveries import endpoint, message, settled

pytestmark = pytest.mark.usefixtures("app")
PATH = "/app/a/msg/batch"


def one(**fields: Any) -> dict[str, Any]:
    return {"eventType": "a.b", "payload": {"n": 1}} | fields


def batch(api: Api, *messages: Any, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return api("POST", PATH, {"messages": messages} | fields, headers=headers)


def stored(api: Api) -> list[str]:
    return [found["id"] for found in reversed(api.ok("GET", "/app/a/msg", params={"limit": 250})["data"])]


def test_all_are_committed_and_answered_in_their_order(api: Api) -> None:
    answer = batch(api, *(one(payload={"n": n}, eventId=f"e{n}") for n in range(50)))
    assert answer.status_code == 202
    assert [(item["status"], item["eventId"], item["eventType"]) for item in answer.json()["data"]] == [
        (202, f"e{n}", "a.b") for n in range(50)
    ]
    assert [item["id"] for item in answer.json()["data"]] == stored(api)


def test_payloads_are_kept_byte_for_byte_and_delivered(api: Api, receiver: Receiver) -> None:
    to = endpoint(api, receiver, "/batch")
    api("POST", PATH, content=b'{"messages": [{"eventType":"a","payload":{ "n" : 1.0}}, {"payload":{"m":\t2},"eventType":"b"}]}')
    settled(api, to["id"], 2)
    assert {request.body for request in receiver.requests if request.path.endswith("/batch")} == {b'{ "n" : 1.0}', b'{"m":\t2}'}


def test_a_mistake_is_answered_at_its_place_and_costs_the_others_nothing(api: Api) -> None:
    message(api, eventId="taken")
    answer = batch(api, one(), one(eventType="no good"), {"eventType": "a"}, 7, one(eventId="taken"), one(eventId="e"), one(eventId="e"))
    assert answer.status_code == 207
    items = answer.json()["data"]
    assert [item["status"] for item in items] == [202, 422, 422, 422, 409, 202, 409]
    assert [".".join(item["detail"][0]["loc"]) for item in items if item["status"] == 422] == [
        "body.messages.1.eventType",
        "body.messages.2.payload",
        "body.messages.3",
    ]
    assert items[4]["code"] == "conflict" and "taken" in items[4]["detail"]
    assert stored(api)[1:] == [items[0]["id"], items[5]["id"]]


def test_a_batch_that_is_sent_again_is_answered_as_the_first_time(api: Api) -> None:
    first, again = batch(api, one(), one(), key="k"), batch(api, one(), one(), key="k")
    assert again.json() == first.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert len(stored(api)) == 2


def test_a_batch_is_remembered_whole_also_when_its_parts_are_cut_otherwise(api: Api, receiver: Receiver) -> None:
    """How many messages one transaction takes depends on how many endpoints they go to."""
    first = batch(api, *(one(payload={"n": n}) for n in range(250)), key="k")
    for _ in range(6):
        endpoint(api, receiver)
    again = batch(api, *(one(payload={"n": n}) for n in range(250)), key="k")
    assert again.json() == first.json()
    found = api.ok("GET", "/app/a/msg", params={"limit": 250})
    assert len(found["data"]) == 250 and found["done"]


def test_a_key_of_another_batch_is_refused_and_nothing_is_kept(api: Api) -> None:
    batch(api, one(), key="k")
    assert problems(batch(api, one(payload={"n": 2}), key="k")) == ["header.idempotency-key"]
    assert len(stored(api)) == 1


def test_what_was_refused_can_be_mended_and_sent_with_a_key_of_its_own(api: Api) -> None:
    answer = batch(api, one(), one(eventType="no good"), key="k").json()["data"]
    again = batch(api, one(), one(eventType="no good"), key="k")
    assert again.status_code == 207 and again.json()["data"] == answer
    assert len(stored(api)) == 1


@pytest.mark.parametrize("messages", [[], [one()] * 501, None, {}, "x"], ids=["none", "too many", "null", "an object", "a text"])
def test_a_batch_of_the_wrong_shape_is_refused_as_a_whole(api: Api, messages: Any) -> None:
    assert problems(api("POST", PATH, {"messages": messages})) == ["body.messages"]
    assert stored(api) == []


def test_the_largest_batch_is_accepted(api: Api) -> None:
    assert len(batch(api, *[one()] * 500).json()["data"]) == 500


def test_what_is_beyond_the_deliveries_of_one_batch_is_refused_and_kept_when_the_batch_is_sent_again(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_batch, "MAX_DELIVERIES", 8)
    for _ in range(9):
        endpoint(api, receiver, disabled=True)
    messages = [one(payload={"n": n}) for n in range(120)]  # parts of 50 messages, 450 deliveries each
    first = batch(api, *messages, key="k")
    assert first.status_code == 207
    items = first.json()["data"]
    assert [item["status"] for item in items] == [202] * 50 + [413] * 70
    assert items[50]["code"] == "payload_too_large" and "as many as one batch may make" in items[50]["detail"]
    assert len(stored(api)) == 50
    second, third = batch(api, *messages, key="k"), batch(api, *messages, key="k")
    assert [answer.status_code for answer in (second, third)] == [207, 202]
    assert [item["id"] for item in third.json()["data"]] == stored(api)
    assert third.json()["data"][:50] == items[:50]


def test_an_application_can_come_with_its_first_batch(api: Api) -> None:
    made = api("POST", "/app/new/msg/batch", {"messages": [one()], "application": {"name": "New", "uid": "new"}})
    assert made.status_code == 202
    assert [found["id"] for found in api.ok("GET", "/app/new/msg")["data"]] == [made.json()["data"][0]["id"]]


def test_an_application_inside_a_message_is_refused_there(api: Api) -> None:
    item = batch(api, one(application={"name": "New", "uid": "a"})).json()["data"][0]
    assert (item["status"], item["detail"][0]["loc"]) == (422, ["body", "messages", "0", "application"])


def test_who_may_not_write_messages_may_not_write_many(api: Api) -> None:
    assert code(batch(api.key("message:read"), one())) == (403, "insufficient_access")
    assert code(batch(api.portal("a"), one())) == (403, "insufficient_access")
    assert code(batch(fresh(api.server), one())) == (404, "not_found")


def test_a_batch_larger_than_a_request_may_be_is_refused(api: Api) -> None:
    assert code(batch(api, one(payload={"n": "x" * 1_100_000}))) == (413, "payload_too_large")
