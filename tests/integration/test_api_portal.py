"""Portal tokens over HTTP: what they may and may not, what they carry, and how they are asked for."""

import base64
import json
from typing import Any

import jwt
import pytest

from tests.harness import SECRET
from tests.integration.api import FORBIDDEN, NOT_FOUND, Api, code, problems


def test_a_portal_token_reads_its_own_application(api: Api, app: str) -> None:
    portal = api.portal(app)
    assert portal.ok("GET", f"/app/{app}")["id"] == portal.ok("GET", "/app/a")["id"] == app


def test_a_portal_token_does_not_see_another_application_of_its_organization(api: Api, app: str) -> None:
    other = api.app()["id"]
    assert code(api.portal(app)("GET", f"/app/{other}")) == NOT_FOUND


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/app", None),
        ("POST", "/app", {"name": "n"}),
        ("PUT", "/app/a", {"name": "n"}),
        ("PATCH", "/app/a", {"name": "n"}),
        ("DELETE", "/app/a", None),
        ("POST", "/event-type", {"name": "n", "description": "d"}),
        ("POST", "/app/a/msg", {"eventType": "a", "payload": {}}),
        ("POST", "/auth/app-portal-access/a", {}),
        ("POST", "/auth/app/a/expire-all", {}),
        ("GET", "/auth/api-key", None),
        ("POST", "/auth/api-key", {"name": "n"}),
    ],
)
def test_a_portal_token_is_refused_where_the_organization_is_needed(api: Api, app: str, method: str, path: str, body: Any) -> None:
    assert code(api.portal(app)(method, path, body)) == FORBIDDEN


def test_the_portal_s_link_carries_application_and_token_in_its_fragment(api: Api, app: str) -> None:
    made = api.ok("POST", f"/auth/app-portal-access/{app}", {})
    base, key = made["url"].split("#key=")
    assert base == f"{api.server.url}/login"
    assert json.loads(base64.urlsafe_b64decode(key)) == {"appId": app, "token": made["token"]}


def test_a_portal_token_says_what_it_may(api: Api, app: str) -> None:
    body = {"featureFlags": ["f"], "capabilities": ["ViewBase"], "readOnly": True, "sessionId": "s", "expiry": 3600}
    claims = jwt.decode(api.ok("POST", f"/auth/app-portal-access/{app}", body)["token"], SECRET, algorithms=["HS256"])
    assert {name: claims[name] for name in ("org", "sub", "featureFlags", "capabilities", "readOnly", "sessionId")} == {
        "org": api.organization,
        "sub": app,
        "featureFlags": ["f"],
        "capabilities": ["ViewBase"],
        "readOnly": True,
        "sessionId": "s",
    }
    assert 3599 <= claims["exp"] - claims["iat"] <= 3600


def test_a_portal_token_lives_seven_days_by_default(api: Api, app: str) -> None:
    claims = jwt.decode(api.ok("POST", f"/auth/app-portal-access/{app}", {})["token"], SECRET, algorithms=["HS256"])
    assert round(claims["exp"] - claims["iat"], -1) == 7 * 86_400


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"expiry": 3599}, "expiry"),
        ({"expiry": 604_801}, "expiry"),
        ({"expiry": "1h"}, "expiry"),
        ({"capabilities": ["ManageEndpoint"]}, "capabilities"),
        ({"capabilities": []}, "capabilities"),
        ({"capabilities": ["ViewBase", "Fly"]}, "capabilities.1"),
        ({"featureFlags": ["a b"]}, "featureFlags.0"),
        ({"sessionId": ""}, "sessionId"),
        ({"application": {"name": ""}}, "application.name"),
    ],
)
def test_a_bad_wish_for_a_portal_token_is_named(api: Api, app: str, fields: dict[str, Any], place: str) -> None:
    assert problems(api("POST", f"/auth/app-portal-access/{app}", fields)) == [f"body.{place}"]


def test_a_portal_token_that_would_be_too_long_to_be_taken_is_not_made(api: Api, app: str) -> None:
    flags = [f"{number:0100}" for number in range(60)]
    assert problems(api("POST", f"/auth/app-portal-access/{app}", {"featureFlags": flags})) == ["body.featureFlags"]
    token = api.ok("POST", f"/auth/app-portal-access/{app}", {"featureFlags": flags[:50]})["token"]
    assert Api(api.server, token, api.organization).ok("GET", f"/app/{app}")["uid"] == "a"


def test_a_read_only_token_may_look_and_not_touch(api: Api, app: str) -> None:
    portal = api.portal(app, readOnly=True)
    assert portal("GET", f"/app/{app}/endpoint").status_code == 200
    assert code(portal("POST", f"/app/{app}/endpoint", {"url": "http://127.0.0.1:9000/"})) == FORBIDDEN


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (["ViewBase"], (403, 403, 403)),
        (["ViewBase", "ViewEndpointSecret"], (200, 403, 403)),
        (["ViewBase", "ManageEndpointSecret"], (200, 200, 403)),
        (["ViewBase", "ManageEndpoint"], (200, 200, 200)),
        (["ViewBase", "CreateAttempts", "ManageTransformations"], (403, 403, 403)),
        (None, (200, 200, 200)),
    ],
)
def test_capabilities_open_secrets_and_endpoints(api: Api, app: str, capabilities: list[str] | None, expected: tuple[int, ...]) -> None:
    endpoint = api.ok("POST", f"/app/{app}/endpoint", {"url": "http://127.0.0.1:9000/"})["id"]
    portal = api.portal(app, **{} if capabilities is None else {"capabilities": capabilities})
    path = f"/app/{app}/endpoint/{endpoint}"
    answers = (portal("GET", f"{path}/secret"), portal("POST", f"{path}/secret/rotate", {}), portal("PATCH", path, {"description": "x"}))
    assert tuple(answer.status_code for answer in answers) == expected


def test_an_application_is_made_on_the_fly_for_its_portal(api: Api) -> None:
    portal = api.portal("new", application={"name": "n", "uid": "new"})
    assert portal.ok("GET", "/app/new")["name"] == "n"


def test_an_application_that_exists_is_left_as_it_is(api: Api, app: str) -> None:
    api.portal("a", application={"name": "other", "uid": "else"})
    assert api.ok("GET", "/app/a")["name"] != "other"


@pytest.mark.parametrize(
    ("application", "kind"), [({"name": "n"}, "application_uid_missing"), ({"name": "n", "uid": "b"}, "application_uid_mismatch")]
)
def test_an_application_made_on_the_fly_has_the_path_s_uid(api: Api, application: dict[str, str], kind: str) -> None:
    response = api("POST", "/auth/app-portal-access/a", {"application": application})
    assert (response.status_code, response.json()["detail"][0]["type"]) == (422, kind)
    assert api.ok("GET", "/app")["data"] == []


@pytest.mark.parametrize("path", ["app-portal-access", "dashboard-access"])
@pytest.mark.parametrize("host", ["[::1", "a:99999999"])
def test_no_link_is_made_to_a_host_that_is_none(api: Api, path: str, host: str) -> None:
    body = {"application": {"name": "n", "uid": "new"}}
    assert code(api("POST", f"/auth/{path}/new", body, headers={"host": host})) == (400, "bad_host")
    assert api.ok("GET", "/app")["data"] == []


def test_the_older_dashboard_access_works_without_a_body(api: Api, app: str) -> None:
    token = api.ok("POST", f"/auth/dashboard-access/{app}")["token"]
    assert Api(api.server, token).ok("GET", f"/app/{app}")["id"] == app


def test_a_repeated_request_for_a_portal_token_gets_the_same_token(api: Api) -> None:
    app, header = api.app()["id"], {"idempotency-key": "once"}
    first = api("POST", f"/auth/app-portal-access/{app}", {"sessionId": "s"}, headers=header)
    second = api("POST", f"/auth/app-portal-access/{app}", {"sessionId": "s"}, headers=header)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert api("POST", f"/auth/app-portal-access/{app}", {"sessionId": "t"}, headers=header).status_code == 422
