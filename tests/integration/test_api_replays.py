"""Sending by hand over HTTP: resend, and examples."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Receiver, running_server
from tests.integration.api import Api, code, fresh
from tests.integration.deliveries import endpoint, message, settled
from tests.integration.receivers import OK

pytestmark = pytest.mark.usefixtures("app")


def event_type(api: Api, name: str, schema: dict[str, Any] | None) -> None:
    api.ok("POST", "/event-type", {"name": name, "description": "d"} | ({} if schema is None else {"schemas": {"1": schema}}))


def test_a_resend_makes_one_more_attempt_by_hand_also_after_a_success(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver, uid="u")
    message(api, eventId="mine")
    settled(api, where["id"], 1)
    answered = api("POST", "/app/a/msg/mine/endpoint/u/resend")
    assert (answered.status_code, answered.json()) == (202, {})
    by_hand, scheduled = settled(api, where["id"], 2)
    assert (by_hand["triggerType"], scheduled["triggerType"], by_hand["status"]) == (1, 0, 0)


def test_a_resend_is_not_lost_to_a_connection_that_its_receiver_closes_just_then(tmp_path: Path) -> None:
    """The receiver answers one request of each connection, says nothing of closing, and hangs up at the next."""
    with running_server(tmp_path, retry_schedule="3600") as server, single_use_receiver() as port:
        api = fresh(server)
        api.app(uid="a")
        where = api.ok("POST", "/app/a/endpoint", {"url": f"http://127.0.0.1:{port}/"})
        made = message(api)
        settled(api, where["id"], 1)
        api.ok("POST", f"/app/a/msg/{made['id']}/endpoint/{where['id']}/resend")
        by_hand, scheduled = settled(api, where["id"], 2)
    assert (by_hand["triggerType"], by_hand["status"], scheduled["status"]) == (1, 0, 0)


@contextmanager
def single_use_receiver() -> Iterator[int]:
    """Its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while line := self.rfile.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            self.rfile.read(length)
            self.wfile.write(OK)
            self.rfile.read(1)

    class Receiver(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Receiver(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,)).start()
        yield listening.server_address[1]
        listening.shutdown()


def test_a_repeated_resend_with_its_key_sends_once(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    settled(api, where["id"], 1)
    path = f"/app/a/msg/{made['id']}/endpoint/{where['id']}/resend"
    answers = [api("POST", path, headers={"idempotency-key": "k"}) for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 202]
    api.ok("POST", path)
    assert len(settled(api, where["id"], 3)) == 3


def test_a_message_without_its_payload_cannot_be_sent_again(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    settled(api, where["id"], 1)
    api.ok("DELETE", f"/app/a/msg/{made['id']}/content")
    assert code(api("POST", f"/app/a/msg/{made['id']}/endpoint/{where['id']}/resend")) == (400, "missing_payload")


def test_a_resend_of_what_is_not_there_is_not_found(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    assert code(api("POST", f"/app/a/msg/{made['id']}/endpoint/nobody/resend")) == (404, "not_found")
    assert code(api("POST", f"/app/a/msg/nothing/endpoint/{where['id']}/resend")) == (404, "not_found")


def test_a_resend_needs_the_scope_to_replay(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    made = message(api)
    path = f"/app/a/msg/{made['id']}/endpoint/{where['id']}/resend"
    assert api.portal("a", readOnly=True)("POST", path).status_code == 403
    assert api.portal("a")("POST", path).status_code == 202


def test_an_example_reaches_the_endpoint_whatever_its_filters(api: Api, receiver: Receiver) -> None:
    event_type(api, "wanted", {"type": "object"})
    event_type(api, "shown", {"type": "object", "examples": [{"n": 1}, {"n": 2}]})
    where = endpoint(api, receiver, "/example", eventTypes=["wanted"], channels=["c"])
    sent = api.ok("POST", f"/app/a/endpoint/{where['id']}/send-example", {"eventType": "shown"})
    assert (sent["eventType"], sent["payload"]) == ("shown", {})
    settled(api, where["id"], 1)
    assert api.ok("GET", f"/app/a/msg/{sent['id']}")["payload"] == {"n": 1}
    second = api.ok("POST", f"/app/a/endpoint/{where['id']}/send-example", {"eventType": "shown", "exampleIndex": 1})
    assert api.ok("GET", f"/app/a/msg/{second['id']}")["payload"] == {"n": 2}


def test_an_example_goes_to_one_endpoint_only(api: Api, receiver: Receiver) -> None:
    where, other = endpoint(api, receiver), endpoint(api, receiver)
    sent = api.ok("POST", f"/app/a/endpoint/{where['id']}/send-example", {"eventType": "svix.ping"})
    assert api.ok("GET", f"/app/a/msg/{sent['id']}")["payload"] == {"success": True}
    assert [one["id"] for one in api.ok("GET", f"/app/a/msg/{sent['id']}/endpoint")["data"]] == [where["id"]]
    assert api.ok("GET", f"/app/a/endpoint/{other['id']}/msg")["data"] == []


def test_an_example_is_not_what_another_endpoint_has_missed(api: Api, receiver: Receiver) -> None:
    chosen, other = endpoint(api, receiver), endpoint(api, receiver)
    api.ok("POST", f"/app/a/endpoint/{chosen['id']}/send-example", {"eventType": "svix.ping"})
    (attempt,) = settled(api, chosen["id"], 1)
    assert attempt["triggerType"] == 0
    preview = api.ok("POST", f"/app/a/endpoint/{other['id']}/replay-missing/preview", {"since": "2020-01-01T00:00:00Z"})
    assert preview == {"messages": 0, "exact": True}


@pytest.mark.parametrize("schema", [None, {"type": "object"}, {"type": "object", "examples": []}, {"type": "object", "examples": ["text"]}])
def test_an_event_type_without_an_example_is_refused_with_the_reason(api: Api, receiver: Receiver, schema: dict[str, Any] | None) -> None:
    event_type(api, "bare", schema)
    where = endpoint(api, receiver)
    assert code(api("POST", f"/app/a/endpoint/{where['id']}/send-example", {"eventType": "bare"})) == (400, "invalid_scheme")
    assert code(api("POST", f"/app/a/endpoint/{where['id']}/send-example", {"eventType": "unknown"})) == (400, "invalid_scheme")


def test_a_repeated_example_with_its_key_is_one_message(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    path = f"/app/a/endpoint/{where['id']}/send-example"
    first, second = [api.ok("POST", path, {"eventType": "svix.ping"}, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert first == second
    assert len(api.ok("GET", "/app/a/msg")["data"]) == 1


def test_a_portal_token_cannot_send_examples(api: Api, receiver: Receiver) -> None:
    where = endpoint(api, receiver)
    assert api.portal("a")("POST", f"/app/a/endpoint/{where['id']}/send-example", {"eventType": "svix.ping"}).status_code == 403
