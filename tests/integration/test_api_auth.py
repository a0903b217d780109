"""Credentials over HTTP: what each may do, what is refused with which reason, and that what was ended has ended."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from tests.harness import SECRET, Server, org_token, running_server
from tests.integration.api import Api, code, fresh, problems

UNAUTHENTICATED = (401, "authentication_failed")
FORBIDDEN = (403, "insufficient_access")
NOT_FOUND = (404, "not_found")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Api:
    return fresh(server)


@pytest.fixture
def app(api: Api) -> str:
    return str(api.app(uid="mine")["id"])


def foreign(api: Api, app: str, **claims: Any) -> Api:
    """The holder of an application's token that somebody else made with our secret."""
    return Api(api.server, jwt.encode({"org": api.organization, "sub": app} | claims, SECRET, algorithm="HS256"), api.organization)


def unsigned(organization: str) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": organization})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic YTpi",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer \xff",
        f"Bearer {'x' * 9000}",
        f"Bearer {org_token(secret='another secret, as long as it should be')}",
        f"Bearer {org_token(exp=int(time.time()) - 1)}",
        f"Bearer {org_token(nbf=int(time.time()) + 3600)}",
        f"Bearer {org_token('user_1')}",
        f"Bearer {unsigned('org_23rb8YdGqMT0qIzpgGwdXfHirMu')}",
        f"Bearer {jwt.encode({'sub': 'org_x'}, SECRET.ljust(64, '!'), algorithm='HS512')}",
        "Bearer hw_" + "0" * 27 + "_" + "0" * 43 + "_000000",
    ],
)
def test_what_is_no_credential_is_refused_with_a_reason(server: Server, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    response = Api(server, None)("GET", "/app", headers=headers)
    assert code(response) == UNAUTHENTICATED
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_another_algorithm_is_refused_even_with_our_secret(server: Server) -> None:
    token = jwt.encode({"sub": "org_x"}, SECRET, algorithm="HS384")
    assert code(Api(server, token)("GET", "/app")) == UNAUTHENTICATED


def test_the_secret_itself_is_refused_with_the_way_to_a_token(server: Server) -> None:
    response = Api(server, SECRET)("GET", "/app")
    assert code(response) == UNAUTHENTICATED
    assert "hookwright token create" in response.json()["detail"]


def test_the_scheme_is_read_in_any_case(api: Api) -> None:
    assert Api(api.server, None)("GET", "/app", headers={"authorization": f"bEARER  {api.token}"}).status_code == 200


def test_any_organization_in_a_signed_token_is_a_tenant_of_its_own(api: Api, server: Server) -> None:
    api.app()
    assert fresh(server).ok("GET", "/app")["data"] == []


def test_an_application_of_another_organization_is_not_there(api: Api, server: Server, app: str) -> None:
    other = fresh(server)
    calls = [
        ("GET", f"/app/{app}", None),
        ("PATCH", f"/app/{app}", {"name": "x"}),
        ("DELETE", f"/app/{app}", None),
        ("POST", f"/auth/app-portal-access/{app}", {}),
        ("POST", f"/auth/app/{app}/expire-all", {}),
    ]
    assert {code(other(*call)) for call in calls} == {NOT_FOUND}
    assert api.ok("GET", f"/app/{app}")["name"] != "x"


def test_a_portal_token_reads_its_own_application(api: Api, app: str) -> None:
    portal = api.portal(app)
    assert portal.ok("GET", f"/app/{app}")["id"] == portal.ok("GET", "/app/mine")["id"] == app


def test_a_portal_token_does_not_see_another_application_of_its_organization(api: Api, app: str) -> None:
    other = api.app()["id"]
    assert code(api.portal(app)("GET", f"/app/{other}")) == NOT_FOUND


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/app", None),
        ("POST", "/app", {"name": "n"}),
        ("PUT", "/app/mine", {"name": "n"}),
        ("PATCH", "/app/mine", {"name": "n"}),
        ("DELETE", "/app/mine", None),
        ("POST", "/event-type", {"name": "n", "description": "d"}),
        ("POST", "/app/mine/msg", {"eventType": "a", "payload": {}}),
        ("POST", "/auth/app-portal-access/mine", {}),
        ("POST", "/auth/app/mine/expire-all", {}),
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
    assert Api(api.server, token, api.organization).ok("GET", f"/app/{app}")["uid"] == "mine"


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
    api.portal("mine", application={"name": "other", "uid": "else"})
    assert api.ok("GET", "/app/mine")["name"] != "other"


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


def test_a_token_that_others_made_for_an_application_works(api: Api, app: str) -> None:
    assert foreign(api, app, feature_flags=["x"]).ok("GET", f"/app/{app}")["id"] == app


def test_a_token_of_an_application_under_another_organization_opens_nothing(api: Api, server: Server, app: str) -> None:
    holder = foreign(fresh(server), app)
    assert {code(holder("GET", path)) for path in (f"/app/{app}", "/event-type")} == {UNAUTHENTICATED}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/event-type"), ("GET", "/event-type/x"), ("GET", "/app/mine"), ("POST", "/app/mine/msg"), ("POST", "/auth/logout")],
)
def test_the_tokens_of_a_deleted_application_are_refused_everywhere(api: Api, app: str, method: str, path: str) -> None:
    holders = [api.portal(app), foreign(api, app)]
    assert [holder("GET", "/event-type").status_code for holder in holders] == [200, 200]
    api.ok("DELETE", f"/app/{app}")
    assert [code(holder(method, path)) for holder in holders] == [UNAUTHENTICATED] * 2


def test_logging_out_ends_that_token_and_no_other(api: Api, app: str) -> None:
    first, second = api.portal(app), api.portal(app)
    assert first("POST", "/auth/logout").status_code == 204
    assert code(first("GET", f"/app/{app}")) == UNAUTHENTICATED
    assert second("GET", f"/app/{app}").status_code == 200


def test_a_token_that_others_made_can_log_out_too(api: Api, app: str) -> None:
    holder = foreign(api, app)
    holder.ok("POST", "/auth/logout")
    assert code(holder("GET", f"/app/{app}")) == UNAUTHENTICATED


def respelled(token: str) -> list[str]:
    """Texts that lenient decoders take for this token."""
    head, _, signature = token.rpartition(".")
    spare = signature[:-1] + chr(ord(signature[-1]) + 1)  # 43 characters carry 258 bits, the digest has 256
    assert base64.urlsafe_b64decode(spare + "=") == base64.urlsafe_b64decode(signature + "=")
    return [f"{token}=", f"{token}==", f"{head}.!{signature}", f"{head}=.{signature}", f"{head}.{spare}"]


def test_a_token_that_logged_out_stays_ended_however_it_is_spelled(api: Api, app: str) -> None:
    holder = foreign(api, app)
    assert holder.token is not None
    holder.ok("POST", "/auth/logout")
    answers = [Api(api.server, spelling)("GET", f"/app/{app}") for spelling in respelled(holder.token)]
    assert [code(answer) for answer in answers] == [UNAUTHENTICATED] * 5


def test_logging_out_twice_is_as_good_as_once(api: Api, app: str) -> None:
    holder, header = api.portal(app), {"idempotency-key": "once"}
    assert [holder("POST", "/auth/logout", headers=header).status_code for _ in range(3)] == [204] * 3
    assert code(holder("GET", f"/app/{app}")) == UNAUTHENTICATED


def test_a_token_that_another_way_ended_cannot_log_out(api: Api, app: str) -> None:
    holder = api.portal(app)
    api.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0})
    assert code(holder("POST", "/auth/logout")) == UNAUTHENTICATED


def test_only_an_application_s_token_can_log_out(api: Api) -> None:
    assert code(api("POST", "/auth/logout")) == FORBIDDEN
    assert api("GET", "/app").status_code == 200


def test_expiring_all_at_once_ends_what_was_made_and_not_what_is_made_then(api: Api, app: str) -> None:
    before = [api.portal(app), api.portal(app, sessionId="s"), foreign(api, app)]
    other = api.portal(str(api.app()["id"]))
    assert api("POST", f"/auth/app/{app}/expire-all", {"expiry": 0}).status_code == 204
    assert {code(holder("GET", f"/app/{app}")) for holder in before} == {UNAUTHENTICATED}
    assert api.portal(app)("GET", f"/app/{app}").status_code == 200
    assert other("GET", "/event-type").status_code == 200


def test_expiring_with_time_left_ends_nothing_yet(api: Api, app: str) -> None:
    holder = api.portal(app)
    api.ok("POST", f"/auth/app/{app}/expire-all")
    assert holder("GET", f"/app/{app}").status_code == 200


def test_expiring_a_session_ends_its_tokens_only(api: Api, app: str) -> None:
    first, second, without = api.portal(app, sessionId="1"), api.portal(app, sessionId="2"), api.portal(app)
    api.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0, "sessionIds": ["1", "3"]})
    assert code(first("GET", f"/app/{app}")) == UNAUTHENTICATED
    assert (second("GET", f"/app/{app}").status_code, without("GET", f"/app/{app}").status_code) == (200, 200)


def test_what_was_ended_stays_ended_when_the_server_starts_again(tmp_path: Any) -> None:
    with running_server(tmp_path) as server:
        api = fresh(server)
        app = str(api.app()["id"])
        out, expired = api.portal(app), api.portal(app, sessionId="s")
        key = api.ok("POST", "/auth/api-key", {"name": "k"})
        out.ok("POST", "/auth/logout")
        api.ok("POST", f"/auth/app/{app}/expire-all", {"expiry": 0, "sessionIds": ["s"]})
        api.ok("DELETE", f"/auth/api-key/{key['id']}")
    with running_server(tmp_path) as server:
        answers = [Api(server, token)("GET", f"/app/{app}") for token in (out.token, expired.token, key["token"])]
        assert [code(answer) for answer in answers] == [UNAUTHENTICATED] * 3


def test_a_key_does_what_its_scopes_say_and_names_what_is_missing(api: Api, app: str) -> None:
    key = api.key("application:read")
    assert key.ok("GET", f"/app/{app}")["id"] == app
    refused = key("POST", "/app", {"name": "n"})
    assert code(refused) == FORBIDDEN
    assert "application:write" in refused.json()["detail"]


def test_a_key_without_scopes_gets_those_of_its_maker(api: Api) -> None:
    maker = api.key("key:write", "application:read")
    assert maker.ok("POST", "/auth/api-key", {"name": "k"})["scopes"] == ["application:read", "key:write"]


def test_a_key_cannot_give_what_its_maker_does_not_have(api: Api) -> None:
    assert code(api.key("key:write")("POST", "/auth/api-key", {"name": "k", "scopes": ["message:write"]})) == FORBIDDEN


def test_a_key_with_an_end_makes_none_that_ends_later(api: Api) -> None:
    end, later = "2998-01-01T00:00:00.000Z", "2999-01-01T00:00:00Z"
    maker = Api(api.server, api.ok("POST", "/auth/api-key", {"name": "k", "expiresAt": end})["token"])
    assert maker.ok("POST", "/auth/api-key", {"name": "k"})["expiresAt"] == end
    refused = maker("POST", "/auth/api-key", {"name": "k", "expiresAt": later})
    assert code(refused) == FORBIDDEN and end in refused.json()["detail"]


def test_a_jwt_with_an_end_makes_keys_without_one(server: Server) -> None:
    assert fresh(server, exp=int(time.time()) + 3600).ok("POST", "/auth/api-key", {"name": "k"})["expiresAt"] is None


@pytest.mark.parametrize("path", ["/app", "/app/new/msg"])
@pytest.mark.parametrize("name", ["authorization", "idempotency-key"])
def test_two_headers_where_one_counts_are_refused(api: Api, path: str, name: str) -> None:
    values = {"authorization": f"Bearer {api.token}", "idempotency-key": "k"}
    headers = [*((known, value) for known, value in values.items()), (name, values[name])]
    body = json.dumps({"name": "n", "eventType": "a", "payload": {}, "application": {"name": "n", "uid": "new"}})
    response = httpx.post(f"{api.server.url}/api/v1{path}", headers=headers, content=body)
    assert code(response) == (400, "duplicate_header")


def test_making_an_application_with_a_message_needs_the_scope_for_it(api: Api) -> None:
    message = {"eventType": "a", "payload": {}, "application": {"name": "n", "uid": "new"}}
    writer = api.key("message:write")
    refused = writer("POST", "/app/new/msg", message)
    assert code(refused) == FORBIDDEN and "application:write" in refused.json()["detail"]
    assert api.key("message:write", "application:write")("POST", "/app/new/msg", message).status_code == 202
    assert writer("POST", "/app/new/msg", message).status_code == 202


def test_a_revoked_key_has_ended_at_once(api: Api) -> None:
    made = api.ok("POST", "/auth/api-key", {"name": "k"})
    key = Api(api.server, made["token"])
    key.ok("GET", "/app")
    assert api("DELETE", f"/auth/api-key/{made['id']}").status_code == 204
    assert code(key("GET", "/app")) == UNAUTHENTICATED


def test_keys_are_listed_without_their_secrets(api: Api) -> None:
    made = api.ok("POST", "/auth/api-key", {"name": "k", "expiresAt": "2999-01-01T00:00:00Z"})
    del made["token"]
    assert api.ok("GET", "/auth/api-key") == {"data": [made]}


def test_a_key_of_another_organization_cannot_be_revoked(api: Api, server: Server) -> None:
    made = api.ok("POST", "/auth/api-key", {"name": "k"})
    assert code(fresh(server)("DELETE", f"/auth/api-key/{made['id']}")) == NOT_FOUND
    assert Api(server, made["token"])("GET", "/app").status_code == 200


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
    ],
)
def test_a_bad_wish_for_a_key_is_named(api: Api, fields: dict[str, Any], place: str) -> None:
    assert problems(api("POST", "/auth/api-key", {"name": "k"} | fields)) == [f"body.{place}"]


def test_the_key_s_secret_is_not_in_the_database(api: Api) -> None:
    secret = api.ok("POST", "/auth/api-key", {"name": "k"}, headers={"idempotency-key": "k"})["token"].split("_")[2].encode()
    files = list(api.server.database.parent.glob(f"{api.server.database.name}*"))
    assert files and not any(secret in file.read_bytes() for file in files)


def test_a_repeated_request_for_a_portal_token_gets_the_same_token(api: Api) -> None:
    app, header = api.app()["id"], {"idempotency-key": "once"}
    first = api("POST", f"/auth/app-portal-access/{app}", {"sessionId": "s"}, headers=header)
    second = api("POST", f"/auth/app-portal-access/{app}", {"sessionId": "s"}, headers=header)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert api("POST", f"/auth/app-portal-access/{app}", {"sessionId": "t"}, headers=header).status_code == 422


def test_a_repeated_request_for_an_api_key_shows_the_same_key_and_makes_no_other(api: Api) -> None:
    header = {"idempotency-key": "once"}
    first = api("POST", "/auth/api-key", {"name": "k"}, headers=header)
    second = api("POST", "/auth/api-key", {"name": "k"}, headers=header)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(api.ok("GET", "/auth/api-key")["data"]) == 1
