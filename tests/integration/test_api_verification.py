"""Endpoints that are asked whether they want messages: what is held until they say yes, and what counts as a yes."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tests.harness import Received, Receiver, Server, free_port, running_server
from tests.integration.api import FORBIDDEN, NOT_FOUND, Api, code, fresh, problems
from tests.integration.deliveries import endpoint, message, settled

pytestmark = pytest.mark.usefixtures("app")
ORIGIN = "hooks.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), retry_schedule="3600", webhook_origin=ORIGIN) as running:
        yield running


@pytest.fixture
def own() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def verify(api: Api, made: dict[str, Any]) -> dict[str, Any]:
    answered: dict[str, Any] = api.ok("POST", f"/app/a/endpoint/{made['id']}/verify")
    return answered


def shown(api: Api, made: dict[str, Any]) -> tuple[bool, bool]:
    """Whether it is disabled, and whether it is verified."""
    found = api.ok("GET", f"/app/a/endpoint/{made['id']}")
    return found["disabled"], found["verified"]


def echo(request: Received) -> web.Response:
    """What a receiver does that knows challenges."""
    if request.method == "GET":
        return web.Response(text=parse_qs(urlsplit(request.path).query)["hub.challenge"][0])
    body = json.loads(request.body)
    return web.Response(text=body["challenge"]) if body.get("type") == "endpoint.verification" else web.Response(text="ok")


def allowing(**headers: str) -> Callable[[Received], web.Response]:
    """What a receiver does that knows CloudEvents' handshake."""
    named = {f"WebHook-Allowed-{name.title()}": value for name, value in headers.items()}
    return lambda request: web.Response(status=204 if request.method == "OPTIONS" else 200, headers=named)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_comes_before_the_receiver_returned_the_challenge_is_held_and_then_sent(api: Api, own: Receiver, method: str) -> None:
    own.answer = echo
    made = endpoint(api, own, "?token=a", verification="challenge", challengeMethod=method)
    assert shown(api, made) == (True, False)
    message(api)
    assert verify(api, made) == {"verified": True, "status": 200, "detail": "the receiver returned the challenge", "allowedRate": None}
    assert shown(api, made) == (False, True)
    settled(api, made["id"], 1)
    asked, delivered = own.requests
    assert (asked.method, asked.path.startswith("/hook?token=a")) == (method, True)
    assert delivered.path == "/hook?token=a"


def test_a_posted_challenge_is_signed_as_messages_are(api: Api, own: Receiver) -> None:
    own.answer = echo
    made = endpoint(api, own, verification="challenge", challengeMethod="POST", headers={"X-Gateway": "open"})
    verify(api, made)
    (asked,) = own.requests
    Webhook(api.ok("GET", f"/app/a/endpoint/{made['id']}/secret")["key"]).verify(asked.body, dict(asked.headers))
    assert json.loads(asked.body)["endpointId"] == made["id"]
    assert asked.header("x-gateway") == "open"


def test_each_challenge_is_another(api: Api, own: Receiver) -> None:
    made = endpoint(api, own, verification="challenge")
    verify(api, made)
    verify(api, made)
    assert len({request.path for request in own.requests}) == 2


NOES: dict[str, tuple[Callable[[Received], web.Response], dict[str, Any]]] = {
    "something else": (lambda _: web.Response(text="ok"), {"status": 200, "detail": "the answer's body is not the challenge"}),
    "not a 2xx": (
        lambda request: web.Response(status=404, text=parse_qs(urlsplit(request.path).query)["hub.challenge"][0]),
        {"status": 404, "detail": "the answer is not a 2xx"},
    ),
    "a redirect": (
        lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        {"status": 302, "detail": "the answer is not a 2xx"},
    ),
    "a flood": (lambda _: web.Response(body=b"a" * 1_000_000), {"status": 200, "detail": "the answer's body is not the challenge"}),
}


@pytest.mark.parametrize("kind", NOES)
def test_anything_else_leaves_it_as_it_was(api: Api, own: Receiver, kind: str) -> None:
    own.answer, told = NOES[kind]
    made = endpoint(api, own, verification="challenge")
    assert verify(api, made) == {"verified": False, "allowedRate": None} | told
    assert shown(api, made) == (True, False)


def test_whether_nobody_is_there_or_nobody_may_be_reached_is_one_answer(api: Api) -> None:
    """A name that resolves to an address which may not be reached would do as well; a literal is refused before."""
    made = api.ok("POST", "/app/a/endpoint", {"url": f"http://127.0.0.1:{free_port()}/", "verification": "challenge"})
    gone = api.ok("POST", "/app/a/endpoint", {"url": "http://no-such-host.invalid/", "verification": "challenge"})
    told = {"verified": False, "status": None, "detail": "no answer came from the endpoint", "allowedRate": None}
    assert verify(api, made) == verify(api, gone) == told


def test_the_cloudevents_handshake_asks_by_our_name_and_says_it_with_every_message_from_then_on(api: Api, own: Receiver) -> None:
    own.answer = allowing(origin=ORIGIN)
    made = endpoint(api, own, verification="options")
    message(api)
    assert verify(api, made)["verified"]
    settled(api, made["id"], 1)
    asked, delivered = own.requests
    assert (asked.method, asked.header("webhook-request-origin"), asked.header("webhook-request-rate")) == ("OPTIONS", ORIGIN, None)
    assert [value for name, value in delivered.headers if name.lower() == "webhook-request-origin"] == [ORIGIN]
    verify(api, made)
    assert [value for name, value in own.requests[-1].headers if name.lower() == "webhook-request-origin"] == [ORIGIN]


@pytest.mark.parametrize(
    ("rate", "allowed", "kept"), [(None, "120", 2), (50, "120", 2), (1, "600", 1), (None, "30", 1), (7, "*", 7), (None, "*", None)]
)
def test_an_allowed_rate_becomes_the_endpoints_own(api: Api, own: Receiver, rate: int | None, allowed: str, kept: int | None) -> None:
    own.answer = allowing(origin="*", rate=allowed)
    made = endpoint(api, own, verification="options", throttleRate=rate)
    assert verify(api, made)["allowedRate"] == (None if allowed == "*" else int(allowed))
    assert api.ok("GET", f"/app/a/endpoint/{made['id']}")["throttleRate"] == kept
    assert own.requests[0].header("webhook-request-rate") == (None if rate is None else str(rate * 60))


@pytest.mark.parametrize("headers", [{}, {"origin": "other.example.com"}, {"rate": "120"}, {"origin": "*", "rate": "none"}])
def test_without_an_allowed_origin_there_is_no_consent_whatever_the_status(api: Api, own: Receiver, headers: dict[str, str]) -> None:
    own.answer = allowing(**headers)
    made = endpoint(api, own, verification="options")
    answered = verify(api, made)
    assert (answered["verified"], answered["status"]) == (False, 204)
    assert f"WebHook-Allowed-Origin: {ORIGIN}" in answered["detail"]


def test_another_url_has_to_be_verified_again(api: Api, own: Receiver) -> None:
    own.answer = echo
    made = endpoint(api, own, verification="challenge", challengeMethod="POST")
    verify(api, made)
    api.ok("PATCH", f"/app/a/endpoint/{made['id']}", {"description": "the same place"})
    assert shown(api, made) == (False, True)
    api.ok("PATCH", f"/app/a/endpoint/{made['id']}", {"url": f"{own.url}/elsewhere"})
    assert shown(api, made) == (True, False)
    verify(api, made)
    assert shown(api, made) == (False, True)


def test_enabling_it_by_hand_does_not_do(api: Api, own: Receiver) -> None:
    made = endpoint(api, own, verification="challenge")
    assert api.ok("PATCH", f"/app/a/endpoint/{made['id']}", {"disabled": False})["disabled"] is True


def test_it_can_be_given_up_and_then_messages_go_out(api: Api, own: Receiver) -> None:
    made = endpoint(api, own, verification="challenge")
    message(api)
    assert api.ok("PATCH", f"/app/a/endpoint/{made['id']}", {"verification": "none"})["disabled"] is False
    settled(api, made["id"], 1)


def test_what_a_person_disabled_stays_so_after_a_yes(api: Api, own: Receiver) -> None:
    own.answer = echo
    made = endpoint(api, own, verification="challenge", disabled=True)
    assert verify(api, made)["verified"]
    assert shown(api, made) == (True, True)


def test_an_endpoint_that_asks_for_nothing_shows_and_does_nothing_of_it(api: Api, own: Receiver) -> None:
    made = endpoint(api, own)
    assert not {"verification", "verified", "challengeMethod"} & made.keys()
    assert code(api("POST", f"/app/a/endpoint/{made['id']}/verify")) == (400, "no_verification")
    assert own.requests == []


def test_verifying_is_a_change_and_needs_its_scope(api: Api, own: Receiver) -> None:
    made = endpoint(api, own, verification="challenge")
    path = f"/app/a/endpoint/{made['id']}/verify"
    assert code(api.key("endpoint:read")("POST", path)) == FORBIDDEN
    assert code(fresh(api.server)("POST", path)) == NOT_FOUND


@pytest.mark.parametrize("fields", [{"verification": "maybe"}, {"verification": None}, {"challengeMethod": "PUT"}])
def test_other_values_are_refused(api: Api, own: Receiver, fields: dict[str, Any]) -> None:
    assert problems(api("POST", "/app/a/endpoint", {"url": own.url} | fields)) == [f"body.{next(iter(fields))}"]


def test_without_a_name_of_our_own_there_is_no_handshake(tmp_path_factory: pytest.TempPathFactory, own: Receiver) -> None:
    with running_server(tmp_path_factory.mktemp("nameless")) as nameless:
        api = fresh(nameless)
        api.app(uid="a")
        wrong = api("POST", "/app/a/endpoint", {"url": own.url, "verification": "options"})
        assert problems(wrong) == ["body.verification"]
        assert "HOOKWRIGHT_WEBHOOK_ORIGIN" in wrong.text
        made = endpoint(api, own)
        assert problems(api("PATCH", f"/app/a/endpoint/{made['id']}", {"verification": "options"})) == ["body.verification"]
