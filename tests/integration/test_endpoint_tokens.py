"""OAuth2 endpoints over real sockets: a login server that is honest, slow, lies, floods and sends us elsewhere."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from tests.harness import Received, Receiver, Server, free_port, running_server
from tests.integration.api import Api
from tests.integration.deliveries import endpoint, message, settled

pytestmark = pytest.mark.usefixtures("app")
SECRET = "s3cret-of-the-client"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its attempts have a second."""
    with running_server(tmp_path_factory.mktemp("server"), retry_schedule="3600", attempt_timeout=1) as running:
        yield running


@pytest.fixture
def login() -> Iterator[Receiver]:
    with Receiver(lambda _: granting("t1")) as running:
        yield running


def granting(token: str, **more: Any) -> web.Response:
    return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 3600} | more)


def with_oauth2(api: Api, receiver: Receiver, token_url: str) -> str:
    """The id of an endpoint whose receiver wants a token."""
    made: str = endpoint(api, receiver)["id"]
    credentials = {"kind": "oauth2", "tokenUrl": token_url, "clientId": "me", "clientSecret": SECRET, "scopes": ["events:write"]}
    api.ok("PUT", f"/app/a/endpoint/{made}/auth", credentials)
    return made


def failure(api: Api, receiver: Receiver, token_url: str) -> str:
    """What the attempt says when no token is to be had."""
    made = with_oauth2(api, receiver, token_url)
    message(api)
    (attempt,) = settled(api, made, 1)
    assert (attempt["status"], attempt["responseStatusCode"]) == (2, 0)
    assert SECRET not in json.dumps(attempt)
    assert receiver.requests == []
    return str(attempt["response"])


@pytest.fixture
def own() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_messages_carry_a_token_that_is_fetched_once(api: Api, own: Receiver, login: Receiver) -> None:
    made = with_oauth2(api, own, login.url)
    for _ in range(3):
        message(api)
    settled(api, made, 3)
    assert [request.header("authorization") for request in own.requests] == ["Bearer t1"] * 3
    (asked,) = login.requests
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["events:write"]}
    assert (asked.method, str(asked.header("authorization"))[:6]) == ("POST", "Basic ")


def test_another_change_of_the_application_costs_no_new_token(api: Api, own: Receiver, login: Receiver) -> None:
    made = with_oauth2(api, own, login.url)
    message(api)
    settled(api, made, 1)
    api.ok("PATCH", f"/app/a/endpoint/{made}", {"description": "changed"})
    message(api)
    settled(api, made, 2)
    assert len(login.requests) == 1


def test_a_token_that_has_ended_is_replaced(api: Api, own: Receiver, login: Receiver) -> None:
    numbers = iter(range(1, 9))
    login.answer = lambda _: granting(f"t{next(numbers)}", expires_in=0)
    made = with_oauth2(api, own, login.url)
    for count in (1, 2):
        message(api)
        settled(api, made, count)
    assert [request.header("authorization") for request in own.requests] == ["Bearer t1", "Bearer t2"]


def test_after_a_401_the_next_attempt_has_a_new_token(api: Api, own: Receiver, login: Receiver) -> None:
    numbers = iter(range(1, 9))
    login.answer = lambda _: granting(f"t{next(numbers)}")
    own.answer = lambda request: web.Response(status=401 if request.header("authorization") == "Bearer t1" else 200)
    made = with_oauth2(api, own, login.url)
    sent = message(api)["id"]
    settled(api, made, 1)
    api.ok("POST", f"/app/a/msg/{sent}/endpoint/{made}/resend")
    codes = [attempt["responseStatusCode"] for attempt in settled(api, made, 2)]
    assert codes == [200, 401]


def test_new_credentials_are_used_at_once(api: Api, own: Receiver, login: Receiver) -> None:
    made = with_oauth2(api, own, login.url)
    message(api)
    settled(api, made, 1)
    api.ok("PUT", f"/app/a/endpoint/{made}/auth", {"kind": "bearer", "token": "fixed"})
    message(api)
    settled(api, made, 2)
    api.ok("DELETE", f"/app/a/endpoint/{made}/auth")
    message(api)
    settled(api, made, 3)
    assert [request.header("authorization") for request in own.requests] == ["Bearer t1", "Bearer fixed", None]


LIES: dict[str, tuple[Callable[[Received], web.Response], str]] = {
    "an error": (lambda _: web.json_response({"error": "invalid_client", "hint": SECRET}, status=401), "answered 401 (invalid_client)"),
    "a page": (lambda _: web.Response(text="<html>welcome</html>"), "without an `access_token`"),
    "a flood": (lambda _: web.Response(body=b'{"access_token":"' + b"a" * 5_000_000), "answered more than"),
    "a header in it": (lambda _: granting("t\r\nX-Injected: yes"), "without an `access_token`"),
    "another type": (lambda _: granting("t", token_type="mac"), "another type than Bearer"),
    "elsewhere": (lambda _: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}), "answered 307, and redirects are not"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_token_fails_the_attempt_with_the_reason(api: Api, own: Receiver, login: Receiver, lie: str) -> None:
    login.answer, words = LIES[lie]
    assert words in failure(api, own, login.url)
    assert len(login.requests) == 1


def test_a_login_that_hangs_costs_no_more_than_the_attempt_has(api: Api, own: Receiver, login: Receiver) -> None:
    async def never(_: Received) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    login.answer = never
    assert "did not answer in time" in failure(api, own, login.url)


def test_a_login_that_is_not_there_is_told_so(api: Api, own: Receiver) -> None:
    assert failure(api, own, f"http://127.0.0.1:{free_port()}/token").endswith("the token endpoint could not be reached")


def test_a_failing_login_harms_no_other_endpoint(api: Api, own: Receiver, login: Receiver, receiver: Receiver) -> None:
    login.answer = lambda _: web.Response(status=503)
    well = endpoint(api, receiver)["id"]
    with_oauth2(api, own, login.url)
    message(api)
    (attempt,) = settled(api, well, 1)
    assert attempt["status"] == 0


def test_a_login_at_a_blocked_address_is_refused_when_it_is_set(api: Api, own: Receiver) -> None:
    made = endpoint(api, own)["id"]
    for url in ("http://10.0.0.1/token", "http://169.254.169.254/token", "ftp://login.example/", "nowhere"):
        body = {"kind": "oauth2", "tokenUrl": url, "clientId": "me", "clientSecret": SECRET}
        refused = api("PUT", f"/app/a/endpoint/{made}/auth", body)
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["body", "oauth2", "tokenUrl"]
