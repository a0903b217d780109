"""API keys over HTTP: what their scopes open, what they may hand on, and that their secrets are shown once."""

import time
from typing import Any

import pytest

from tests.harness import Server
from tests.integration.api import FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, Api, code, fresh, problems


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


def test_a_repeated_request_for_an_api_key_shows_the_same_key_and_makes_no_other(api: Api) -> None:
    header = {"idempotency-key": "once"}
    first = api("POST", "/auth/api-key", {"name": "k"}, headers=header)
    second = api("POST", "/auth/api-key", {"name": "k"}, headers=header)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(api.ok("GET", "/auth/api-key")["data"]) == 1
