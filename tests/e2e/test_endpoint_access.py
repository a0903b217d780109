"""Endpoints that ask for credentials, beside the official SDK, which does not know of them."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiohttp import web
from svix.api import Svix

from tests.certificates import Authority, server_context
from tests.e2e.journeys import APP, Tenant, endpoint, send, verify
from tests.harness import Received, Receiver
from tests.waiting import eventually

SERVERS, CLIENTS = Authority("servers"), Authority("clients")


@pytest.fixture
def guarded() -> Iterator[Receiver]:
    """A receiver that takes only those who have a certificate of `CLIENTS`."""
    with Receiver(tls=server_context(SERVERS.issue("receiver"), clients=CLIENTS)) as started:
        yield started


class Own:
    """Our own operations at one endpoint."""

    def __init__(self, tenant: Tenant, endpoint: str) -> None:
        self._http = httpx.Client(base_url=f"{tenant.url}/api/v1/app/{APP}/endpoint/{endpoint}", timeout=30)
        self._http.headers["authorization"] = f"Bearer {tenant.token}"

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


def test_basic_credentials_arrive_and_are_never_shown(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    own = Own(tenant, made.id)
    own("PUT", "/auth", {"kind": "basic", "username": "Aladdin", "password": "open sesame"})
    assert (own("GET", "/auth")["kind"], own("GET", "/auth")["username"]) == ("basic", "Aladdin")
    assert "sesame" not in json.dumps(own("GET", "/auth"))
    send(client)
    (request,) = receiver.wait_for(1)
    assert request.header("authorization") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    verify(request, client.endpoint.get_secret(APP, made.id).key)


def test_credentials_that_were_removed_are_sent_no_more(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    own = Own(tenant, endpoint(client, receiver.url).id)
    own("PUT", "/auth", {"kind": "apiKey", "header": "X-Api-Key", "value": "abc"})
    send(client)
    receiver.wait_for(1)
    own("DELETE", "/auth")
    send(client)
    assert [request.header("x-api-key") for request in receiver.wait_for(2)] == ["abc", None]


def test_a_token_is_fetched_by_client_credentials_and_sent(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    with Receiver(lambda _: web.json_response({"access_token": "t1", "token_type": "Bearer", "expires_in": 60})) as login:
        own = Own(tenant, endpoint(client, receiver.url).id)
        own("PUT", "/auth", {"kind": "oauth2", "tokenUrl": login.url, "clientId": "me", "clientSecret": "s3cret"})
        for _ in range(2):
            send(client)
        assert [request.header("authorization") for request in receiver.wait_for(2)] == ["Bearer t1"] * 2
        assert len(login.requests) == 1


def test_a_receiver_with_its_own_ca_that_asks_for_a_client_certificate_gets_its_messages(
    tenant: Tenant, client: Svix, guarded: Receiver
) -> None:
    made = endpoint(client, guarded.url)
    own, acme = Own(tenant, made.id), CLIENTS.issue("acme")
    own("PUT", "/tls", {"certificate": acme.certificate, "key": acme.key, "ca": SERVERS.pem})
    assert own("GET", "/tls")["certificates"][0]["subject"] == "CN=acme"
    send(client)
    (request,) = guarded.wait_for(1)
    assert request.peer == "acme"
    own("DELETE", "/tls")
    send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 1)
    assert len(guarded.requests) == 1


def test_an_endpoint_that_asks_to_be_verified_gets_what_was_held_after_its_yes(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    def returning(request: Received) -> web.Response:
        return web.Response(text=parse_qs(urlsplit(request.path).query).get("hub.challenge", ["ok"])[0])

    receiver.answer = returning
    made = endpoint(client, receiver.url)
    own = Own(tenant, made.id)
    own("PATCH", "", {"verification": "challenge"})
    assert client.endpoint.get(APP, made.id).disabled
    send(client)
    assert own("POST", "/verify")["verified"]
    assert [request.method for request in receiver.wait_for(2)] == ["GET", "POST"]
    assert not client.endpoint.get(APP, made.id).disabled
