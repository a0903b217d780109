"""Credentials over HTTP: what is none is refused with a reason, and each opens its own tenant only."""

import base64
import json
import time

import httpx
import jwt
import pytest

from tests.harness import SECRET, Server, org_token
from tests.integration.api import NOT_FOUND, UNAUTHENTICATED, Api, code, foreign, fresh


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


def test_a_token_that_others_made_for_an_application_works(api: Api, app: str) -> None:
    assert foreign(api, app, feature_flags=["x"]).ok("GET", f"/app/{app}")["id"] == app


def test_a_token_of_an_application_under_another_organization_opens_nothing(api: Api, server: Server, app: str) -> None:
    holder = foreign(fresh(server), app)
    assert {code(holder("GET", path)) for path in (f"/app/{app}", "/event-type")} == {UNAUTHENTICATED}


@pytest.mark.parametrize("path", ["/app", "/app/new/msg"])
@pytest.mark.parametrize("name", ["authorization", "idempotency-key"])
def test_two_headers_where_one_counts_are_refused(api: Api, path: str, name: str) -> None:
    values = {"authorization": f"Bearer {api.token}", "idempotency-key": "k"}
    headers = [*((known, value) for known, value in values.items()), (name, values[name])]
    body = json.dumps({"name": "n", "eventType": "a", "payload": {}, "application": {"name": "n", "uid": "new"}})
    response = httpx.post(f"{api.server.url}/api/v1{path}", headers=headers, content=body)
    assert code(response) == (400, "duplicate_header")
