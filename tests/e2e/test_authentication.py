"""Who may do what: portal tokens, API keys, and tenants that are nothing to each other."""

import json
import secrets
from typing import Any

import httpx
import pytest
from svix.api import (
    ApplicationIn,
    ApplicationTokenExpireIn,
    AppPortalAccessIn,
    EndpointPatch,
    EventTypeIn,
    MessageIn,
    Svix,
)
from svix.exceptions import HttpError
from svix.models import AppPortalCapability

from tests.e2e.journeys import APP, Tenant, endpoint, send
from tests.harness import Receiver, Server, org_token
from tests.waiting import eventually


def status_of(call: Any) -> int:
    """200 for what succeeds, else the status of the refusal."""
    try:
        call()
    except HttpError as error:
        return int(error.status_code)
    return 200


def portal(tenant: Tenant, **fields: Any) -> Svix:
    """A client with a fresh token of the application."""
    return tenant.as_bearer(tenant.client.authentication.app_portal_access(APP, AppPortalAccessIn(**fields)).token)


def test_a_portal_token_reaches_its_application_and_nothing_of_the_organization(tenant: Tenant) -> None:
    visitor = portal(tenant)
    tenant.client.application.create(ApplicationIn(name="Other", uid="other"))
    assert status_of(lambda: visitor.endpoint.list(APP)) == 200
    assert status_of(lambda: visitor.endpoint.list("other")) == 404
    assert status_of(lambda: visitor.application.list()) == 403
    assert status_of(lambda: visitor.message.create(APP, MessageIn(event_type="a", payload={}))) == 403


def test_a_read_only_token_sees_and_cannot_write(tenant: Tenant, receiver: Receiver) -> None:
    made = endpoint(tenant.client, receiver.url)
    message = send(tenant.client)
    visitor = portal(tenant, read_only=True)
    assert visitor.endpoint.get(APP, made.id).id == made.id
    assert status_of(lambda: endpoint(visitor, receiver.url)) == 403
    assert status_of(lambda: visitor.endpoint.patch(APP, made.id, EndpointPatch(disabled=True))) == 403
    assert status_of(lambda: visitor.endpoint.get_secret(APP, made.id)) == 403
    assert status_of(lambda: visitor.message_attempt.resend(APP, message.id, made.id)) == 403


def test_capabilities_are_what_a_token_can_do(tenant: Tenant, receiver: Receiver) -> None:
    made = endpoint(tenant.client, receiver.url)
    message = send(tenant.client)
    base, view = AppPortalCapability("ViewBase"), AppPortalCapability("ViewEndpointSecret")
    create, manage = AppPortalCapability("CreateAttempts"), AppPortalCapability("ManageEndpoint")

    def can(*capabilities: AppPortalCapability) -> tuple[int, int, int]:
        visitor = portal(tenant, capabilities=list(capabilities))
        return (
            status_of(lambda: visitor.endpoint.get_secret(APP, made.id)),
            status_of(lambda: visitor.message_attempt.resend(APP, message.id, made.id)),
            status_of(lambda: visitor.endpoint.patch(APP, made.id, EndpointPatch(description="theirs"))),
        )

    assert can(base) == (403, 403, 403)
    assert can(base, view) == (200, 403, 403)
    assert can(base, create) == (403, 200, 403)
    assert can(base, manage) == (200, 403, 200)


def test_a_portal_token_sees_the_event_types_that_its_flags_open(tenant: Tenant) -> None:
    tenant.client.event_type.create(EventTypeIn(name="open", description=""))
    tenant.client.event_type.create(EventTypeIn(name="hidden", description="", feature_flags=["beta"]))
    assert [one.name for one in portal(tenant).event_type.list().data] == ["open"]
    assert [one.name for one in portal(tenant, feature_flags=["beta"]).event_type.list().data] == ["hidden", "open"]


def test_a_logout_ends_this_token_and_no_other(tenant: Tenant) -> None:
    one, other = portal(tenant), portal(tenant)
    one.authentication.logout()
    assert status_of(lambda: one.endpoint.list(APP)) == 401
    assert status_of(lambda: other.endpoint.list(APP)) == 200


def test_expire_all_ends_every_token_that_was_made_before(tenant: Tenant) -> None:
    visitors = [portal(tenant), portal(tenant, session_id="s")]
    tenant.client.authentication.expire_all(APP, ApplicationTokenExpireIn(expiry=0))
    assert [status_of(lambda visitor=visitor: visitor.endpoint.list(APP)) for visitor in visitors] == [401, 401]
    assert status_of(lambda: portal(tenant).endpoint.list(APP)) == 200


def test_the_tokens_of_one_session_can_be_ended_alone(tenant: Tenant) -> None:
    ended, kept, without = portal(tenant, session_id="s1"), portal(tenant, session_id="s2"), portal(tenant)
    tenant.client.authentication.expire_all(APP, ApplicationTokenExpireIn(expiry=0, session_ids=["s1"]))
    assert [status_of(lambda visitor=visitor: visitor.endpoint.list(APP)) for visitor in (ended, kept, without)] == [401, 200, 200]


def test_the_portal_makes_an_application_on_the_fly(tenant: Tenant) -> None:
    access = tenant.client.authentication.app_portal_access(
        "newcomer", AppPortalAccessIn(application=ApplicationIn(name="Newcomer", uid="newcomer"))
    )
    assert access.url.partition("#")[2].startswith("key="), "the token travels in the fragment, which no server sees"
    assert tenant.as_bearer(access.token).application.get("newcomer").name == "Newcomer"


def test_an_api_key_can_what_its_scopes_say_until_it_is_revoked(tenant: Tenant) -> None:
    keys = httpx.Client(base_url=f"{tenant.url}/api/v1/auth", headers={"authorization": f"Bearer {tenant.token}"})
    made = keys.post("/api-key", json={"name": "Billing", "scopes": ["message:write", "application:read"]}).json()
    billing = tenant.as_bearer(made["token"])
    assert status_of(lambda: billing.message.create(APP, MessageIn(event_type="a", payload={}))) == 200
    assert status_of(lambda: billing.application.get(APP)) == 200
    assert status_of(lambda: billing.endpoint.list(APP)) == 403
    assert made["token"] not in keys.get("/api-key").text
    assert keys.delete(f"/api-key/{made['id']}").status_code == 204
    eventually(lambda: status_of(lambda: billing.application.get(APP)) == 401)


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", org_token(secret="another secret, as long as any of them")])
def test_a_token_that_we_did_not_sign_is_nobody(tenant: Tenant, token: str) -> None:
    assert httpx.get(f"{tenant.url}/api/v1/app", headers={"authorization": f"Bearer {token}"}).status_code == 401


def operations_of_an_application(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if "{app_id}" in path and (method, path) != ("put", "/api/v1/app/{app_id}")  # which makes one of one's own
    ]


def test_another_tenant_finds_nothing_of_ours(tenant: Tenant, server: Server, receiver: Receiver) -> None:
    """Every operation under an application, by ids and by uids: not there."""
    client = tenant.client
    made = endpoint(client, receiver.url, uid="endpoint")
    message = send(client, event_id="event")
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    attempt = client.message_attempt.list_by_msg(APP, message.id).data[0].id
    stranger = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {org_token(f'org_{secrets.token_hex(12)}')}"})
    operations = operations_of_an_application(json.loads(httpx.get(f"{server.url}/api/v1/openapi.json").text))
    by_id = {"app_id": client.application.get(APP).id, "endpoint_id": made.id, "msg_id": message.id, "attempt_id": attempt}
    by_id |= {"sink_id": made.id, "consumer_id": "c"}
    by_uid = by_id | {"app_id": APP, "endpoint_id": "endpoint", "msg_id": "event"}
    body: dict[str, Any] = {
        "eventType": "a",
        "payload": {},
        "url": receiver.url,
        "headers": {},
        "since": "2026-01-01T00:00:00Z",
        "name": "n",
    }
    body["messages"] = [{"eventType": "a", "payload": {}}]
    answers = {
        (method, path.format(**names)): stranger.request(method, path.format(**names), json=None if method in ("GET", "DELETE") else body)
        for method, path in operations
        for names in (by_id, by_uid)
    }
    assert len(answers) > 50
    assert {what: answer.status_code for what, answer in answers.items() if answer.status_code != 404} == {}
    assert all(answer.json() == {"code": "not_found", "detail": "Entity not found"} for answer in answers.values())
    assert client.endpoint.get(APP, made.id) == made


def test_the_older_dashboard_access_gives_a_working_token(tenant: Tenant) -> None:
    headers = {"authorization": f"Bearer {tenant.token}"}
    access = httpx.post(f"{tenant.url}/api/v1/auth/dashboard-access/{APP}", headers=headers).json()
    assert tenant.as_bearer(access["token"]).application.get(APP).uid == APP
