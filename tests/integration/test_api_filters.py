"""Filters on endpoints over HTTP: set, shown, tried out, and obeyed."""

from typing import Any

import pytest

from tests.harness import Receiver
from tests.integration.api import Api, code, problems

ENDPOINTS = "/app/a/endpoint"
URL = "https://example.com/hook"
BIG = {"data": {"amount": {"$gte": 1000}}}
NONE: tuple[dict[str, Any], ...] = ({}, {"filter": None}, {"filter": {}})

pytestmark = pytest.mark.usefixtures("app")


def made(api: Api, **fields: Any) -> dict[str, Any]:
    endpoint: dict[str, Any] = api.ok("POST", ENDPOINTS, {"url": URL} | fields)
    return endpoint


def test_a_filter_is_shown_where_there_is_one(api: Api) -> None:
    assert made(api, filter=BIG, uid="u")["filter"] == BIG
    assert api.ok("GET", f"{ENDPOINTS}/u")["filter"] == BIG
    assert api.ok("GET", ENDPOINTS)["data"][0]["filter"] == BIG
    assert all("filter" not in made(api, **fields) for fields in NONE)


def test_a_filter_is_changed_by_patch_and_put_and_left_alone_by_what_does_not_name_it(api: Api) -> None:
    made(api, filter=BIG, uid="u")
    assert api.ok("PATCH", f"{ENDPOINTS}/u", {"description": "d"})["filter"] == BIG
    assert api.ok("PATCH", f"{ENDPOINTS}/u", {"filter": {"a": 1}})["filter"] == {"a": 1}
    assert "filter" not in api.ok("PATCH", f"{ENDPOINTS}/u", {"filter": None})
    assert api.ok("PUT", f"{ENDPOINTS}/u", {"url": URL, "uid": "u", "filter": BIG})["filter"] == BIG
    assert "filter" not in api.ok("PUT", f"{ENDPOINTS}/u", {"url": URL, "uid": "u"})
    assert api.ok("PUT", f"{ENDPOINTS}/v", {"url": URL, "uid": "v", "filter": BIG})["filter"] == BIG


def test_what_is_no_filter_is_refused_with_its_place_together_with_all_else(api: Api) -> None:
    made(api, uid="u")
    wrong = {"filter": {"a": {"$regex": "x"}, "b": {"$in": 1}}, "url": "ftp://example.com/"}
    expected = {"body.filter.a.$regex", "body.filter.b.$in", "body.url"}
    assert set(problems(api("POST", ENDPOINTS, wrong))) == expected
    assert set(problems(api("PATCH", f"{ENDPOINTS}/u", wrong))) == expected
    assert set(problems(api("PUT", f"{ENDPOINTS}/u", wrong))) == expected
    assert problems(api("POST", ENDPOINTS, {"url": URL, "filter": [1]})) == ["body.filter"]
    assert problems(api("POST", f"{ENDPOINTS}/u/filter/test", {"payload": {}, "filter": {"$x": 1}})) == ["body.filter.$x"]
    assert problems(api("POST", f"{ENDPOINTS}/u/filter/test", {})) == ["body.payload"]


def test_a_filter_is_tried_out_and_says_why(api: Api) -> None:
    made(api, filter=BIG, uid="u")
    assert api.ok("POST", f"{ENDPOINTS}/u/filter/test", {"payload": {"data": {"amount": 5}}}) == {
        "matches": False,
        "reasons": [
            {"path": "data.amount", "condition": "data.amount.$gte", "wanted": "1000", "found": "5", "matches": False}
        ],
        "problem": None,
    }  # fmt: skip
    tried = api.ok("POST", f"{ENDPOINTS}/u/filter/test", {"payload": {"data": {}}, "filter": {"data": {"amount": {"$exist": False}}}})
    assert (tried["matches"], tried["reasons"][0]["found"]) == (True, "nothing")
    for none in ("null", "{}"):
        tried = api.ok("POST", f"{ENDPOINTS}/u/filter/test", content=f'{{"payload": {{}}, "filter": {none}}}')
        assert tried == {"matches": True, "reasons": [], "problem": None}
    made(api, uid="v")
    assert api.ok("POST", f"{ENDPOINTS}/v/filter/test", {"payload": {}}) == {"matches": True, "reasons": [], "problem": None}


def test_a_filter_that_has_too_much_to_look_at_says_so(api: Api) -> None:
    made(api, filter={"$or": [{"a": n} for n in range(100)]}, uid="u")
    tried = api.ok("POST", f"{ENDPOINTS}/u/filter/test", {"payload": {"a": [0.5] * 50_000}})
    assert (tried["matches"], tried["reasons"]) == (False, [])
    assert "50000 values" in tried["problem"]


def test_trying_a_filter_out_needs_to_see_the_endpoint(api: Api) -> None:
    made(api, filter=BIG, uid="u")
    assert api.key("endpoint:read").ok("POST", f"{ENDPOINTS}/u/filter/test", {"payload": {}})["matches"] is False
    assert code(api.key("message:read")("POST", f"{ENDPOINTS}/u/filter/test", {"payload": {}})) == (403, "insufficient_access")
    assert code(api("POST", f"{ENDPOINTS}/w/filter/test", {"payload": {}})) == (404, "not_found")


def test_a_message_goes_to_those_whose_filter_it_passes(api: Api, receiver: Receiver) -> None:
    filters = (BIG, {"data": {"amount": {"$lt": 1000}}}, None)
    big, small, every = [made(api, url=receiver.url, filter=filter)["id"] for filter in filters]

    def destinations(**message: Any) -> set[str]:
        sent = api.ok("POST", "/app/a/msg", {"eventType": "e", "payload": {"data": {"amount": 1200}}} | message)
        return {one["id"] for one in api.ok("GET", f"/app/a/msg/{sent['id']}/endpoint")["data"]}

    assert destinations() == {big, every}
    assert destinations(payload={"data": {"amount": 12}}) == {small, every}
    assert destinations(payload={"data": {}}) == {every}
    assert destinations(transformationsParams={"rawPayload": "<a/>", "headers": {"content-type": "text/xml"}}) == {every}
    batch = api.ok("POST", "/app/a/msg/batch", {"messages": [{"eventType": "e", "payload": {"data": {"amount": n}}} for n in (1, 2000)]})
    assert [
        {one["id"] for one in api.ok("GET", f"/app/a/msg/{sent['id']}/endpoint")["data"]} for sent in batch["data"]
    ] == [{small, every}, {big, every}]  # fmt: skip
    api.ok("PATCH", f"{ENDPOINTS}/{big}", {"filter": None})
    assert destinations(payload={}) == {big, every}, "a change governs the next message"
