"""Operational webhooks as the official SDK sets them up: where they go, what is told, and who may not."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from standardwebhooks import WebhookVerificationError
from svix.api import ApplicationIn, AppPortalAccessIn, EndpointIn, EndpointPatch, OperationalWebhookEndpointListOptions, Svix, SvixOptions
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import (
    OperationalWebhookEndpointHeadersIn,
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointOut,
    OperationalWebhookEndpointSecretIn,
    OperationalWebhookEndpointUpsertIn,
    Ordering,
)

from tests.e2e.journeys import APP, Tenant, answering, endpoint, send, verify
from tests.harness import Received, Receiver, Server, ServerProcess, free_port, org_token, running_server
from tests.waiting import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Five retries at once, whatever was seen of the endpoint before."""
    folder = tmp_path_factory.mktemp("operational")
    with running_server(
        folder, retry_schedule="0.01,0.01,0.01,0.01,0.01", retry_jitter=0, breaker_pause=0.01, log_level="error"
    ) as started:
        yield started


@pytest.fixture
def operations() -> Iterator[Receiver]:
    """Where the organization is told."""
    with Receiver() as started:
        yield started


def listening(client: Svix, receiver: Receiver, *event_types: str, **fields: Any) -> OperationalWebhookEndpointOut:
    body = OperationalWebhookEndpointIn(url=receiver.url, event_types=list(event_types) or None, **fields)
    return client.operational_webhook.endpoint.create(body)


def told(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """What was told, as soon as there is so much."""
    return [json.loads(request.body) for request in receiver.wait_for(count)]


def test_an_operational_endpoint_is_made_read_changed_and_deleted(client: Svix, operations: Receiver) -> None:
    api = client.operational_webhook.endpoint
    assert (api.list().data, api.list().done) == ([], True)
    made = listening(client, operations, "endpoint.disabled", uid="ops", description="Ours", metadata={"team": "on call"}, throttle_rate=10)
    assert (made.event_types, made.disabled, made.throttle_rate) == (["endpoint.disabled"], False, 10)
    assert api.get("ops") == made
    second = listening(client, operations)
    assert [one.id for one in api.list(OperationalWebhookEndpointListOptions(order=Ordering.ASCENDING)).data] == [made.id, second.id]
    replaced = api.upsert("ops", OperationalWebhookEndpointUpsertIn(url=operations.url, uid="ops"))
    assert (replaced.id, replaced.description, replaced.event_types, replaced.metadata) == (made.id, "", None, {})
    api.delete("ops")
    with pytest.raises(HttpError) as refused:
        api.get(made.id)
    assert refused.value.status_code == 404
    assert api.list().data == [second]


def test_an_upsert_of_an_unknown_operational_endpoint_makes_one(client: Svix, operations: Receiver) -> None:
    body = OperationalWebhookEndpointUpsertIn(url=operations.url, uid="ops")
    made = client.operational_webhook.endpoint.upsert("ops", body)
    assert client.operational_webhook.endpoint.get("ops") == made


def test_what_is_told_is_signed_and_carries_the_headers_that_were_set(client: Svix, operations: Receiver) -> None:
    api = client.operational_webhook.endpoint
    made = listening(client, operations, "endpoint.created", headers={"X-Team": "ops", "Authorization": "Bearer s3cret"})
    shown = api.get_headers(made.id)
    assert (shown.headers, shown.sensitive) == ({"X-Team": "ops"}, ["Authorization"])
    endpoint(client, operations.url + "/customer", disabled=True)
    (request,) = operations.wait_for(1)
    verify(request, api.get_secret(made.id).key)
    assert {("X-Team", "ops"), ("Authorization", "Bearer s3cret")} <= set(request.headers)
    api.set_headers(made.id, OperationalWebhookEndpointHeadersIn(headers={"X-Team": "dev"}))
    assert api.get_headers(made.id).headers == {"X-Team": "dev"}


def test_a_rotated_secret_verifies_and_the_old_one_without_grace_no_more(client: Svix, operations: Receiver) -> None:
    api = client.operational_webhook.endpoint
    made = listening(client, operations)
    old = api.get_secret(made.id).key
    api.rotate_secret(made.id, OperationalWebhookEndpointSecretIn(grace_period_seconds=0))
    new = api.get_secret(made.id).key
    assert new != old
    endpoint(client, operations.url + "/customer", disabled=True)
    (request,) = operations.wait_for(1)
    verify(request, new)
    with pytest.raises(WebhookVerificationError):
        verify(request, old)


def test_what_happens_to_an_endpoint_is_told(client: Svix, receiver: Receiver, operations: Receiver) -> None:
    listening(client, operations)
    app = client.application.get(APP)
    made = endpoint(client, receiver.url, uid="mine")
    names = {"appId": app.id, "appUid": APP, "endpointId": made.id, "endpointUid": "mine"}
    assert told(operations, 1) == [{"type": "endpoint.created", "data": names}]
    client.endpoint.patch(APP, "mine", EndpointPatch(disabled=True))
    told(operations, 3)
    client.endpoint.patch(APP, "mine", EndpointPatch(disabled=False))
    told(operations, 5)
    client.endpoint.delete(APP, "mine")
    found = {}
    for event in told(operations, 6):
        found[event["type"]] = event["data"]
    assert found.pop("endpoint.disabled") == names | {"failSince": None, "trigger": "manual"}
    assert found == dict.fromkeys(["endpoint.created", "endpoint.updated", "endpoint.enabled", "endpoint.deleted"], names)


def test_an_endpoint_that_a_410_disabled_is_told_of(client: Svix, receiver: Receiver, operations: Receiver) -> None:
    listening(client, operations, "endpoint.disabled")
    receiver.answer = answering(410)
    made = endpoint(client, receiver.url)
    send(client)
    (event,) = told(operations, 1)
    assert (event["data"]["endpointId"], event["data"]["trigger"]) == (made.id, "automatic")
    assert event["data"]["failSince"]


def test_a_message_that_fails_and_then_arrives_is_told_of_twice(client: Svix, receiver: Receiver, operations: Receiver) -> None:
    listening(client, operations, "message.attempt.failing", "message.attempt.recovered", "message.attempt.exhausted")
    receiver.answer = answering(500, 500, 500, 500, 200)
    made = endpoint(client, receiver.url)
    message = send(client, event_id="mine")
    found = {event["type"]: event["data"] for event in told(operations, 2)}
    assert set(found) == {"message.attempt.failing", "message.attempt.recovered"}
    attempts = {attempt.id: attempt for attempt in client.message_attempt.list_by_msg(APP, message.id).data}
    for kind, status in (("message.attempt.failing", 500), ("message.attempt.recovered", 200)):
        data = found[kind]
        assert (data["msgId"], data["msgEventId"], data["endpointId"], data["appUid"]) == (message.id, "mine", made.id, APP)
        last = attempts[data["lastAttempt"]["id"]]
        assert (last.response_status_code, data["lastAttempt"]["responseStatusCode"]) == (status, status)
        assert data["lastAttempt"]["timestamp"]


def test_a_message_that_is_given_up_is_told_of(client: Svix, receiver: Receiver, operations: Receiver) -> None:
    listening(client, operations, "message.attempt.failing", "message.attempt.exhausted")
    receiver.answer = answering(503)
    endpoint(client, receiver.url)
    message = send(client)
    events = told(operations, 2)
    assert {event["type"] for event in events} == {"message.attempt.failing", "message.attempt.exhausted"}
    assert {(event["data"]["msgId"], event["data"]["msgEventId"]) for event in events} == {(message.id, None)}


def test_an_operational_endpoint_that_refuses_is_tried_again_and_not_told_of(client: Svix, operations: Receiver) -> None:
    operations.answer = answering(500, 500, 500, 500, 500, 500, 200)
    listening(client, operations)
    endpoint(client, operations.url + "/customer", disabled=True, uid="first")
    requests = operations.wait_for(6)
    assert len({request.header("webhook-id") for request in requests}) == 1
    endpoint(client, operations.url + "/customer", disabled=True, uid="second")
    requests = operations.wait_for(7)
    assert json.loads(requests[6].body)["data"]["endpointUid"] == "second"


def test_an_event_that_there_is_not_cannot_be_asked_for(client: Svix, operations: Receiver) -> None:
    with pytest.raises(HTTPValidationError) as refused:
        listening(client, operations, "endpoint.disabled", "invoice.paid")
    assert "invoice.paid" in refused.value.detail[0].msg
    assert "message.attempt.exhausted" in refused.value.detail[0].msg, "it says what there is"
    assert client.event_type.list().data == [], "they are not event types of the organization's own"


def test_a_blocked_address_is_refused_as_for_any_endpoint(client: Svix) -> None:
    with pytest.raises(HTTPValidationError):
        client.operational_webhook.endpoint.create(OperationalWebhookEndpointIn(url="http://169.254.169.254/latest"))


def test_an_application_knows_nothing_of_operational_endpoints(tenant: Tenant, operations: Receiver) -> None:
    made = listening(tenant.client, operations)
    assert [one.uid for one in tenant.client.application.list().data] == [APP]
    portal = tenant.as_bearer(tenant.client.authentication.app_portal_access(APP, AppPortalAccessIn()).token)
    for call in (lambda: portal.operational_webhook.endpoint.list(), lambda: portal.operational_webhook.endpoint.get(made.id)):
        with pytest.raises(HttpError) as refused:
            call()
        assert refused.value.status_code == 403
    with pytest.raises(HttpError) as hidden:
        portal.endpoint.get(APP, made.id)
    assert hidden.value.status_code == 404


def test_an_api_key_needs_the_scopes_of_endpoints(tenant: Tenant, operations: Receiver) -> None:
    def key(*scopes: str) -> Svix:
        answer = httpx.post(
            f"{tenant.url}/api/v1/auth/api-key",
            json={"name": "k", "scopes": list(scopes)},
            headers={"authorization": f"Bearer {tenant.token}"},
        )
        return tenant.as_bearer(answer.json()["token"])

    made = listening(key("endpoint:write"), operations)
    assert key("endpoint:read").operational_webhook.endpoint.get(made.id) == made
    assert key("endpoint.secret:read").operational_webhook.endpoint.get_secret(made.id).key
    other = key("application:read", "application:write", "message:write").operational_webhook.endpoint
    for call in (
        lambda: other.list(),
        lambda: other.get(made.id),
        lambda: other.delete(made.id),
        lambda: other.get_headers(made.id),
        lambda: other.get_secret(made.id),
        lambda: other.rotate_secret(made.id, OperationalWebhookEndpointSecretIn()),
        lambda: other.upsert(made.id, OperationalWebhookEndpointUpsertIn(url=operations.url)),
    ):
        with pytest.raises(HttpError) as refused:
            call()
        assert refused.value.status_code == 403


def test_a_request_that_is_repeated_makes_one_operational_endpoint(tenant: Tenant, operations: Receiver) -> None:
    key = {"authorization": f"Bearer {tenant.token}", "idempotency-key": secrets.token_hex(8)}
    url, body = f"{tenant.url}/api/v1/operational-webhook/endpoint", {"url": operations.url}
    first, again = (httpx.post(url, json=body, headers=key) for _ in range(2))
    assert (first.status_code, first.json()) == (201, again.json())
    assert len(tenant.client.operational_webhook.endpoint.list().data) == 1


def test_what_happened_before_a_crash_is_told_after_it_and_each_as_one_message(
    tmp_path_factory: pytest.TempPathFactory, operations: Receiver
) -> None:
    """kill -9 right after the answer, and right after the first was told."""
    server = ServerProcess(tmp_path_factory.mktemp("crash"), free_port(), HOOKWRIGHT_RETRY_SCHEDULE="0.1,0.1,0.1,0.1,0.1")
    with server:
        client = Svix(org_token(), SvixOptions(server_url=server.url))
        listening(client, operations, "endpoint.created")
        client.application.create(ApplicationIn(name="Acme", uid=APP))
        for begin in range(0, 30, 10):
            for number in range(begin, begin + 10):
                client.endpoint.create(APP, EndpointIn(url=operations.url + "/customer", uid=f"e{number}", disabled=True))
            if begin:
                operations.wait_for(1)
            server.kill()
            server.start()
        eventually(lambda: len({uid_of(request) for request in list(operations.requests)}) == 30)
    ids: dict[str, set[str | None]] = {}
    for request in operations.requests:
        ids.setdefault(uid_of(request), set()).add(request.header("webhook-id"))
    assert {uid: len(found) for uid, found in ids.items()} == {f"e{number}": 1 for number in range(30)}


def uid_of(request: Received) -> str:
    return str(json.loads(request.body)["data"]["endpointUid"])
