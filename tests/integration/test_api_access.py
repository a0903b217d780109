"""What lets us in at an endpoint, over HTTP: set, shown without its secrets, removed, and refused with a reason."""

import json
import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.certificates import Authority, key_pem
from tests.harness import Receiver
from tests.integration.api import FORBIDDEN, NOT_FOUND, Api, code, fresh, problems
from tests.integration.deliveries import message, settled

URL = "https://example.com/hook"
AUTH, TLS = "/app/a/endpoint/u/auth", "/app/a/endpoint/u/tls"
ROOT = Authority("root")
CLIENT = ROOT.issue("acme")
NOTHING = dict.fromkeys(["username", "header", "tokenUrl", "clientId", "scopes", "audience", "clientAuthentication"])
OAUTH2 = {"kind": "oauth2", "tokenUrl": "https://login.example.com/token", "clientId": "me", "clientSecret": "s3cret"}
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": "basic", "username": "u", "password": "s3cret"}, {"kind": "basic", "username": "u"}),
    ({"kind": "bearer", "token": "s3cret"}, {"kind": "bearer"}),
    ({"kind": "apiKey", "header": "X-Key", "value": "s3cret"}, {"kind": "apiKey", "header": "X-Key"}),
    (
        OAUTH2 | {"scopes": ["a", "b"], "audience": "https://api", "clientAuthentication": "body"},
        {
            "kind": "oauth2", "tokenUrl": "https://login.example.com/token", "clientId": "me", "scopes": ["a", "b"],
            "audience": "https://api", "clientAuthentication": "body",
        },
    ),
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture
def endpoint(api: Api, app: str) -> None:
    api.ok("POST", "/app/a/endpoint", {"url": URL, "uid": "u"})


@pytest.mark.parametrize(("given", "shown"), SETTINGS, ids=lambda value: value["kind"])
def test_credentials_are_shown_without_their_secret_until_they_are_removed(api: Api, given: dict[str, Any], shown: dict[str, Any]) -> None:
    assert api("PUT", AUTH, given).status_code == 204
    assert api.ok("GET", AUTH) == NOTHING | shown
    assert "s3cret" not in json.dumps([api.ok("GET", path) for path in (AUTH, "/app/a/endpoint/u", "/app/a/endpoint/u/headers")])
    assert api("DELETE", AUTH).status_code == 204
    assert api.ok("GET", AUTH) == NOTHING | {"kind": "none"}


def test_credentials_take_the_place_of_those_before(api: Api) -> None:
    for given, _ in SETTINGS:
        api.ok("PUT", AUTH, given)
    assert api.ok("GET", AUTH)["kind"] == "oauth2"


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, ["body"]),
        ({"kind": "digest"}, ["body"]),
        ({"kind": "basic", "username": "u"}, ["body.basic.password"]),
        ({"kind": "basic", "username": "a:b", "password": "\n"}, ["body.basic.username", "body.basic.password"]),
        ({"kind": "apiKey", "header": "Host", "value": "é"}, ["body.apiKey.header", "body.apiKey.value"]),
        ({"kind": "bearer", "token": "a b"}, ["body.bearer.token"]),
        (OAUTH2 | {"tokenUrl": "x", "clientId": ""}, ["body.oauth2.clientId", "body.oauth2.tokenUrl"]),
        (OAUTH2 | {"tokenUrl": "https://u:p@login.example.com/"}, ["body.oauth2.tokenUrl"]),
        (OAUTH2 | {"tokenUrl": "http://192.168.0.1/"}, ["body.oauth2.tokenUrl"]),
        (OAUTH2 | {"clientAuthentication": "cookie"}, ["body.oauth2.clientAuthentication"]),
    ],
)
def test_what_could_not_be_used_is_refused_and_changes_nothing(api: Api, body: dict[str, Any], places: list[str]) -> None:
    api.ok("PUT", AUTH, {"kind": "bearer", "token": "kept"})
    assert problems(api("PUT", AUTH, body)) == places
    assert api.ok("GET", AUTH)["kind"] == "bearer"


def test_a_client_certificate_is_shown_without_its_key(api: Api) -> None:
    assert api("PUT", TLS, {"certificate": CLIENT.certificate, "key": CLIENT.key, "ca": ROOT.pem}).status_code == 204
    answer = api("GET", TLS)
    shown = answer.json()
    assert [(one["subject"], one["issuer"]) for one in shown["certificates"] + shown["ca"]] == [
        ("CN=acme", "CN=root"),
        ("CN=root", "CN=root"),
    ]
    assert "KEY" not in answer.text
    assert api("DELETE", TLS).status_code == 204
    assert api.ok("GET", TLS) == {"certificates": [], "ca": []}


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, ["body"]),
        ({"certificate": CLIENT.certificate}, ["body.key"]),
        ({"key": CLIENT.key}, ["body.certificate"]),
        ({"certificate": CLIENT.certificate, "key": ROOT.issue("other").key}, ["body.key"]),
        ({"certificate": CLIENT.certificate, "key": key_pem(ec.generate_private_key(ec.SECP256R1()), "password")}, ["body.key"]),
        ({"certificate": ROOT.issue("old", days=-1).certificate, "key": CLIENT.key, "ca": "x"}, ["body.certificate", "body.ca"]),
        ({"ca": 5}, ["body.ca"]),
    ],
)
def test_certificates_that_could_not_be_used_are_refused(api: Api, body: dict[str, Any], places: list[str]) -> None:
    assert problems(api("PUT", TLS, body)) == places
    assert api.ok("GET", TLS) == {"certificates": [], "ca": []}


def test_an_endpoint_without_tls_takes_no_certificate(api: Api) -> None:
    api.ok("PATCH", "/app/a/endpoint/u", {"url": "http://example.com/"})
    assert problems(api("PUT", TLS, {"ca": ROOT.pem})) == ["body"]


def test_credentials_and_certificates_do_not_disturb_each_other(api: Api) -> None:
    api.ok("PUT", AUTH, {"kind": "bearer", "token": "t"})
    api.ok("PUT", TLS, {"ca": ROOT.pem})
    api.ok("DELETE", AUTH)
    assert len(api.ok("GET", TLS)["ca"]) == 1
    api.ok("PUT", AUTH, {"kind": "bearer", "token": "t"})
    api.ok("DELETE", TLS)
    assert api.ok("GET", AUTH)["kind"] == "bearer"


def test_two_who_change_different_parts_at_once_both_prevail(api: Api) -> None:
    def change(path: str, body: dict[str, Any]) -> None:
        for _ in range(5):
            api.ok("PUT", path, body)

    changes = [(AUTH, {"kind": "bearer", "token": "t"}), (TLS, {"ca": ROOT.pem})]
    threads = [threading.Thread(target=change, args=each) for each in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (api.ok("GET", AUTH)["kind"], len(api.ok("GET", TLS)["ca"])) == ("bearer", 1)


def test_credentials_win_over_a_custom_header_of_the_same_name(api: Api, receiver: Receiver) -> None:
    made = api.ok("POST", "/app/a/endpoint", {"url": receiver.url, "headers": {"authorization": "mine", "X-A": "1"}})["id"]
    api.ok("PUT", f"/app/a/endpoint/{made}/auth", {"kind": "basic", "username": "Aladdin", "password": "open sesame"})
    sent = message(api)["id"]
    settled(api, made, 1)
    (request,) = [one for one in receiver.requests if one.header("webhook-id") == sent]
    assert [value for name, value in request.headers if name.lower() == "authorization"] == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
    assert request.header("x-a") == "1"


@pytest.mark.parametrize("path", [AUTH, TLS])
def test_reading_needs_one_scope_and_changing_another(api: Api, path: str) -> None:
    body = {"kind": "bearer", "token": "t"} if path == AUTH else {"ca": ROOT.pem}
    reader, writer = api.key("endpoint:read"), api.key("endpoint:write")
    assert reader("GET", path).status_code == 200
    assert code(reader("PUT", path, body)) == code(reader("DELETE", path)) == FORBIDDEN
    assert writer("PUT", path, body).status_code == 204
    assert code(writer("GET", path)) == FORBIDDEN


@pytest.mark.parametrize("path", [AUTH, TLS])
def test_another_organizations_endpoint_does_not_exist(api: Api, path: str) -> None:
    other = fresh(api.server)
    other.app(uid="a")
    body = {"kind": "bearer", "token": "t"} if path == AUTH else {"ca": ROOT.pem}
    assert code(other("GET", path)) == code(other("PUT", path, body)) == code(other("DELETE", path)) == NOT_FOUND
