"""An ordered endpoint, from the request to the receiver: one after another, and what stops it (FIFO)."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import Received, Receiver, Server, running_server
from tests.integration.api import Api, fresh, problems
from tests.waiting import eventually

SCHEDULE = "0.05,0.05"
ATTEMPTS = 3


@pytest.fixture(params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """A caller with the application `a`, of a server that gives up after three attempts."""
    settings: dict[str, Any] = {"retry_schedule": SCHEDULE}
    if request.param == "postgres":
        keys = f"k1:{base64.b64encode(bytes(32)).decode()}"
        settings |= {"database": request.getfixturevalue("database"), "encryption_keys": keys}
    with running_server(tmp_path, **settings) as server:
        yield _caller(server)


def _caller(server: Server) -> Api:
    api = fresh(server)
    api.app(uid="a")
    return api


def endpoint(api: Api, receiver: Receiver, **fields: Any) -> str:
    return str(api.ok("POST", "/app/a/endpoint", {"url": receiver.url, "ordered": True} | fields)["id"])


def send(api: Api, *numbers: int) -> None:
    for number in numbers:
        api.ok("POST", "/app/a/msg", {"eventType": "a.b", "payload": {"n": number}})


def number_of(request: Received) -> int:
    return int(json.loads(request.body)["n"])


def arrived(receiver: Receiver) -> list[int]:
    return [number_of(request) for request in list(receiver.requests)]


class Failing:
    """A receiver's script: these messages fail so many times, then they are taken."""

    def __init__(self, times: dict[int, int]) -> None:
        self.left = Counter(times)

    def __call__(self, request: Received) -> web.Response:
        number = number_of(request)
        if self.left[number] > 0:
            self.left[number] -= 1
            return web.Response(status=500)
        return web.Response(text="ok")


def test_messages_arrive_one_after_another_in_their_order_and_one_that_fails_holds_up_the_others(api: Api) -> None:
    failing = {n: 1 + n % 2 for n in range(0, 40, 5)}
    with Receiver(Failing(failing)) as receiver:
        endpoint(api, receiver)
        send(api, *range(20))
        batch = [{"eventType": "a.b", "payload": {"n": n}} for n in range(20, 40)]
        api.ok("POST", "/app/a/msg/batch", {"messages": batch})
        expected = [n for n in range(40) for _ in range(1 + failing.get(n, 0))]
        receiver.wait_for(len(expected))
        assert arrived(receiver) == expected


def test_when_a_message_s_attempts_are_used_up_the_endpoint_is_disabled_and_begins_with_it_when_it_is_enabled(api: Api) -> None:
    failing = Failing({1: ATTEMPTS + 1})
    with Receiver(failing) as receiver:
        ident = endpoint(api, receiver)
        send(api, 0, 1, 2)
        eventually(lambda: api.ok("GET", f"/app/a/endpoint/{ident}")["disabled"])
        send(api, 3)
        assert arrived(receiver) == [0] + [1] * ATTEMPTS
        stats = api.ok("GET", f"/app/a/endpoint/{ident}/stats")
        assert (stats["success"], stats["pending"], stats["fail"]) == (1, 3, 0)
        enable(api, ident)
        eventually(lambda: arrived(receiver).count(1) == ATTEMPTS + 1)
        eventually(lambda: api.ok("GET", f"/app/a/endpoint/{ident}")["disabled"])
        enable(api, ident)
        receiver.wait_for(ATTEMPTS + 5)
        assert arrived(receiver) == [0] + [1] * (ATTEMPTS + 2) + [2, 3]


def enable(api: Api, ident: str) -> None:
    api.ok("PATCH", f"/app/a/endpoint/{ident}", {"disabled": False})


def test_an_endpoint_that_skips_goes_on_without_a_message_that_cannot_be_delivered(api: Api) -> None:
    with Receiver(Failing({1: 99})) as receiver:
        ident = endpoint(api, receiver, onExhausted="skip")
        send(api, 0, 1, 2)
        receiver.wait_for(ATTEMPTS + 2)
        assert arrived(receiver) == [0] + [1] * ATTEMPTS + [2]
        eventually(lambda: api.ok("GET", f"/app/a/endpoint/{ident}/stats")["success"] == 2)
        shown = api.ok("GET", f"/app/a/endpoint/{ident}")
        assert (shown["disabled"], shown["ordered"], shown["onExhausted"]) == (False, True, "skip")
        assert api.ok("GET", f"/app/a/endpoint/{ident}/stats")["fail"] == 1


def test_a_message_that_the_endpoint_does_not_want_leaves_no_gap(api: Api) -> None:
    with Receiver(Failing({4: 1})) as receiver:
        endpoint(api, receiver, filter={"n": {"$in": [0, 2, 4, 6]}})
        send(api, *range(8))
        receiver.wait_for(5)
        assert arrived(receiver) == [0, 2, 4, 4, 6]


def test_an_endpoint_that_becomes_ordered_with_messages_on_their_way_loses_none_and_has_an_order_from_then_on(api: Api) -> None:
    failing = Failing(dict.fromkeys(range(0, 60, 7), 1))
    with Receiver(failing) as receiver:
        ident = endpoint(api, receiver, ordered=False)
        send(api, *range(20))
        api.ok("PATCH", f"/app/a/endpoint/{ident}", {"ordered": True})
        send(api, *range(20, 40))
        eventually(lambda: set(range(40)) <= set(arrived(receiver)))
        api.ok("PATCH", f"/app/a/endpoint/{ident}", {"ordered": False})
        send(api, *range(40, 60))
        eventually(lambda: api.ok("GET", f"/app/a/endpoint/{ident}/stats")["success"] == 60)
        assert Counter(arrived(receiver)) == Counter({n: 1 + (n % 7 == 0) for n in range(60)})
        assert list(dict.fromkeys(n for n in arrived(receiver) if 20 <= n < 40)) == list(range(20, 40))


def test_an_ordered_endpoint_holds_up_nobody_else(api: Api) -> None:
    with Receiver(Failing({0: ATTEMPTS})) as stuck, Receiver() as free:
        endpoint(api, stuck)
        api.ok("POST", "/app/a/endpoint", {"url": free.url})
        send(api, *range(10))
        free.wait_for(10)
        assert sorted(arrived(free)) == list(range(10))


def test_order_is_shown_changed_alone_and_kept_by_whoever_does_not_know_it(api: Api) -> None:
    made = api.ok("POST", "/app/a/endpoint", {"url": "https://example.com/"})
    assert not {"ordered", "onExhausted"} & made.keys()
    path = f"/app/a/endpoint/{made['id']}"
    changed = api.ok("PATCH", path, {"ordered": True, "onExhausted": "skip"})
    assert (changed["ordered"], changed["onExhausted"]) == (True, "skip")
    replaced = api.ok("PUT", path, {"url": "https://example.com/new"})
    assert (replaced["url"], replaced["ordered"], replaced["onExhausted"]) == ("https://example.com/new", True, "skip")
    patched = api.ok("PATCH", path, {"description": "d"})
    assert (patched["ordered"], patched["onExhausted"]) == (True, "skip")
    replaced = api.ok("PUT", path, {"url": "https://example.com/", "ordered": False, "onExhausted": "pause"})
    assert not {"ordered", "onExhausted"} & replaced.keys()


def test_what_order_cannot_be_is_refused_with_what_it_can_be(api: Api) -> None:
    refused = api("POST", "/app/a/endpoint", {"url": "https://example.com/", "ordered": "yes", "onExhausted": "wait"})
    assert refused.status_code == 422
    assert problems(refused) == ["body.ordered", "body.onExhausted"]
    assert "'pause' or 'skip'" in refused.text
