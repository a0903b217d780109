"""Transformations, set by the official SDK as it is, and what then arrives."""

import json

import pytest
from svix.api import (
    AppPortalAccessIn,
    EndpointHeadersIn,
    EndpointTransformationIn,
    MessageAttemptListByEndpointOptions,
    MessageAttemptOut,
    Svix,
)
from svix.exceptions import HttpError
from svix.models import AppPortalCapability, EndpointTransformationPatch, MessageStatus

from tests.e2e.journeys import APP, Tenant, answering, endpoint, send, settled, verify
from tests.harness import Receiver
from tests.waiting import eventually

TOUCHING = """function handler(webhook) {
  webhook.method = "PUT";
  webhook.url = webhook.url + "?type=" + webhook.eventType;
  webhook.headers = { "X-Team": webhook.variables.team };
  webhook.payload = { sum: webhook.payload.a + webhook.payload.b };
  return webhook;
}"""


def set_code(client: Svix, endpoint_id: str, code: str, **variables: str) -> None:
    patch = EndpointTransformationPatch(code=code, enabled=True, variables=variables)
    client.endpoint.transformation.patch(APP, endpoint_id, patch)


def attempts(client: Svix, endpoint_id: str) -> list[MessageAttemptOut]:
    return client.message_attempt.list_by_endpoint(APP, endpoint_id, MessageAttemptListByEndpointOptions(with_content=True)).data


def test_a_transformation_is_set_read_changed_and_taken_away(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    none = client.endpoint.transformation.get(APP, made.id)
    assert (none.code, none.enabled, none.variables, none.updated_at) == (None, False, {}, None)
    set_code(client, made.id, TOUCHING, team="billing")
    kept = client.endpoint.transformation.get(APP, made.id)
    assert (kept.code, kept.enabled, kept.variables) == (TOUCHING, True, {"team": "billing"})
    assert kept.updated_at is not None
    client.endpoint.transformation.patch(APP, made.id, EndpointTransformationPatch(enabled=False))
    assert client.endpoint.transformation.get(APP, made.id).code == TOUCHING
    client.endpoint.transformation.patch(APP, made.id, EndpointTransformationPatch(code=None, variables=None))
    gone = client.endpoint.transformation.get(APP, made.id)
    assert (gone.code, gone.enabled, gone.variables) == (None, False, {})


def test_the_older_partial_update_sets_the_code_too(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    client.endpoint.transformation_partial_update(APP, made.id, EndpointTransformationIn(code=TOUCHING, enabled=True))
    assert client.endpoint.transformation.get(APP, made.id).code == TOUCHING


def test_what_a_script_makes_of_a_message_arrives_signed(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    client.endpoint.set_headers(APP, made.id, EndpointHeadersIn(headers={"X-Team": "nobody", "X-Kept": "yes"}))
    set_code(client, made.id, TOUCHING, team="billing")
    message = send(client, payload={"a": 1, "b": 2})
    (request,) = receiver.wait_for(1)
    assert (request.method, request.path) == ("PUT", "/hook?type=invoice.paid")
    assert json.loads(request.body) == {"sum": 3}
    assert (request.header("x-team"), request.header("x-kept")) == ("billing", "yes")
    assert request.header("webhook-id") == message.id
    verify(request, client.endpoint.get_secret(APP, made.id).key)
    eventually(lambda: settled(client, made.id))
    (attempt,) = attempts(client, made.id)
    assert (attempt.status, attempt.url) == (MessageStatus.SUCCESS, receiver.url + "?type=invoice.paid")


def test_what_a_script_leaves_alone_arrives_byte_for_byte(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    set_code(client, made.id, "function handler(webhook) { webhook.headers = {'X-Seen': '1'}; return webhook; }")
    send(client, payload={"n": 1.0, "big": 12345678901234567890})
    (request,) = receiver.wait_for(1)
    assert b"1.0" in request.body and b"12345678901234567890" in request.body
    assert request.header("x-seen") == "1"


def test_a_canceled_message_is_a_success_that_nobody_was_sent(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    set_code(client, made.id, "function handler(webhook) { webhook.cancel = webhook.payload.secret === true; return webhook; }")
    canceled = send(client, payload={"secret": True})
    sent = send(client, payload={"secret": False})
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 2)
    assert [request.header("webhook-id") for request in receiver.requests] == [sent.id]
    attempt = next(one for one in attempts(client, made.id) if one.msg_id == canceled.id)
    assert (attempt.status, attempt.response_status_code) == (MessageStatus.SUCCESS, 0)
    assert attempt.response == "not sent: the transformation canceled it"


def test_a_script_that_fails_is_a_failed_attempt_with_its_reason_and_is_tried_again(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    set_code(client, made.id, "function handler(webhook) {\n  return webhook.payload.nothing.at.all;\n}")
    send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 1)
    found = attempts(client, made.id)
    assert len(found) == 6
    assert {attempt.response_status_code for attempt in found} == {0}
    assert all(attempt.response.startswith("the transformation failed: TypeError:") for attempt in found)
    assert all(attempt.response.endswith("(line 2)") for attempt in found)
    assert not receiver.requests
    assert not client.endpoint.get(APP, made.id).disabled


def test_a_script_that_is_mended_sends_what_its_mistake_held_up(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    set_code(client, made.id, "function handler(webhook) { return webhook.payload.nothing.at.all; }")
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 1)
    set_code(client, made.id, "function handler(webhook) { return webhook; }")
    client.message_attempt.resend(APP, message.id, made.id)
    assert receiver.wait_for(1)[0].header("webhook-id") == message.id


@pytest.mark.parametrize(("url", "reason"), [("http://10.1.2.3/", "blocked"), ("file:///etc/passwd", "the URL must be absolute")])
def test_a_scripts_url_passes_the_same_guard_as_an_endpoints(client: Svix, receiver: Receiver, url: str, reason: str) -> None:
    made = endpoint(client, receiver.url)
    set_code(client, made.id, f"function handler(webhook) {{ webhook.url = '{url}'; return webhook; }}")
    send(client)
    eventually(lambda: len(attempts(client, made.id)) > 0)
    assert reason in attempts(client, made.id)[0].response


def test_a_hostile_script_is_stopped_told_of_and_its_neighbours_do_not_notice(client: Svix, receiver: Receiver) -> None:
    hostile, good, plain = (endpoint(client, receiver.url + path) for path in ("/hostile", "/good", "/plain"))
    set_code(client, hostile.id, "function handler(webhook) { for (;;) {} }")
    set_code(client, good.id, "function handler(webhook) { webhook.payload.seen = true; return webhook; }")
    for number in range(5):
        send(client, payload={"n": number})
    assert {request.path for request in receiver.wait_for(10)} == {"/hook/good", "/hook/plain"}
    eventually(lambda: client.endpoint.get_stats(APP, hostile.id).fail == 5)
    responses = [attempt.response for attempt in attempts(client, hostile.id)]
    assert any("it took more than" in response for response in responses)
    assert any("had to be stopped 3 times in a row" in response for response in responses)
    assert [client.endpoint.get_stats(APP, one.id).success for one in (good, plain)] == [5, 5]


def test_a_receiver_that_fails_is_tried_again_with_what_the_script_makes_then(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(500, 200)
    made = endpoint(client, receiver.url)
    set_code(client, made.id, "function handler(webhook) { webhook.payload.seen = webhook.id; return webhook; }")
    message = send(client, payload={"n": 1})
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    assert json.loads(first.body) == {"n": 1, "seen": message.id}


def test_a_portal_token_needs_the_capability(client: Svix, tenant: Tenant, receiver: Receiver) -> None:
    made, view = endpoint(client, receiver.url), AppPortalCapability("ViewBase")
    for capabilities, allowed in (
        ([view, AppPortalCapability("ManageEndpoint")], False),
        ([view, AppPortalCapability("ManageTransformations")], True),
    ):
        token = client.authentication.app_portal_access(APP, AppPortalAccessIn(capabilities=capabilities)).token
        portal = tenant.as_bearer(token)
        if allowed:
            set_code(portal, made.id, TOUCHING)
            assert portal.endpoint.transformation.get(APP, made.id).code == TOUCHING
        else:
            with pytest.raises(HttpError):
                set_code(portal, made.id, TOUCHING)
