"""Endpoints as the official SDK makes and changes them: filters, secrets, headers."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from standardwebhooks import WebhookVerificationError
from svix.api import (
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointPatch,
    EndpointSecretRotateIn,
    EventTypeIn,
    Svix,
)
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import EndpointUpsertIn

from tests.e2e.journeys import APP, endpoint, send, settled, verify
from tests.harness import Received, Receiver
from tests.waiting import eventually


def test_an_endpoint_is_made_read_changed_and_deleted(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url, uid="mine", description="Ours", metadata={"team": "billing"}, throttle_rate=10)
    assert client.endpoint.get(APP, "mine") == made
    assert client.endpoint.list(APP).data == [made]
    replaced = client.endpoint.upsert(APP, "mine", EndpointUpsertIn(url=receiver.url, uid="mine"))
    assert (replaced.id, replaced.description, replaced.throttle_rate, replaced.metadata) == (made.id, "", None, {})
    patched = client.endpoint.patch(APP, "mine", EndpointPatch(description="Theirs"))
    assert (patched.description, patched.uid) == ("Theirs", "mine")
    client.endpoint.delete(APP, "mine")
    with pytest.raises(HttpError) as refused:
        client.endpoint.get(APP, made.id)
    assert (refused.value.status_code, refused.value.code) == (404, "not_found")


def test_an_upsert_of_an_unknown_endpoint_makes_one(client: Svix, receiver: Receiver) -> None:
    made = client.endpoint.upsert(APP, "mine", EndpointUpsertIn(url=receiver.url, uid="mine"))
    assert client.endpoint.get(APP, "mine").id == made.id


def test_a_deleted_endpoint_gets_nothing_more(client: Svix, receiver: Receiver) -> None:
    gone, kept = endpoint(client, f"{receiver.url}/gone"), endpoint(client, f"{receiver.url}/kept")
    client.endpoint.delete(APP, gone.id)
    send(client)
    eventually(lambda: client.endpoint.get_stats(APP, kept.id).success == 1)
    assert [request.path for request in receiver.requests] == ["/hook/kept"]


def test_an_endpoint_gets_only_the_event_types_it_asked_for(client: Svix, receiver: Receiver) -> None:
    client.event_type.create(EventTypeIn(name="invoice.paid", description=""))
    made = endpoint(client, receiver.url, event_types=["invoice.paid"])
    send(client, "invoice.voided")
    paid = send(client, "invoice.paid")
    receiver.wait_for(1)
    eventually(lambda: settled(client, made.id))
    assert [request.header("webhook-id") for request in receiver.requests] == [paid.id]


def test_an_endpoint_with_channels_gets_only_messages_of_one_of_them(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url, channels=["eu", "us"])
    send(client)
    send(client, channels=["asia"])
    wanted = send(client, channels=["asia", "eu"])
    receiver.wait_for(1)
    eventually(lambda: settled(client, made.id))
    assert [request.header("webhook-id") for request in receiver.requests] == [wanted.id]


def test_an_event_type_that_does_not_exist_cannot_be_asked_for(client: Svix, receiver: Receiver) -> None:
    with pytest.raises(HTTPValidationError) as refused:
        endpoint(client, receiver.url, event_types=["nobody.knows"])
    assert "nobody.knows" in refused.value.detail[0].msg


def test_after_a_rotation_both_secrets_verify_during_the_grace_period(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    old = client.endpoint.get_secret(APP, made.id).key
    client.endpoint.rotate_secret(APP, made.id, EndpointSecretRotateIn(grace_period_seconds=3600))
    new = client.endpoint.get_secret(APP, made.id).key
    assert new != old
    send(client)
    (request,) = receiver.wait_for(1)
    verify(request, old)
    verify(request, new)


def test_after_a_rotation_without_grace_the_old_secret_verifies_no_more(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    old = client.endpoint.get_secret(APP, made.id).key
    new = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    client.endpoint.rotate_secret(APP, made.id, EndpointSecretRotateIn(key=new, grace_period_seconds=0))
    assert client.endpoint.get_secret(APP, made.id).key == new
    send(client)
    (request,) = receiver.wait_for(1)
    verify(request, new)
    with pytest.raises(WebhookVerificationError):
        verify(request, old)


def signed_content(request: Received) -> bytes:
    """What a signature is of. Standard Webhooks 1.0.0, "Signature scheme"."""
    return f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body


def test_an_endpoint_with_an_ed25519_key_signs_with_it_and_shows_only_the_public_half(client: Svix, receiver: Receiver) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    made = endpoint(client, receiver.url, secret="whsk_" + base64.b64encode(seed + public).decode())
    assert client.endpoint.get_secret(APP, made.id).key == "whpk_" + base64.b64encode(public).decode()
    send(client)
    (request,) = receiver.wait_for(1)
    version, _, signature = (request.header("webhook-signature") or "").partition(",")
    assert version == "v1a"
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature), signed_content(request))


def test_custom_headers_arrive_in_their_spelling_and_sensitive_ones_are_never_shown(client: Svix, receiver: Receiver) -> None:
    made = client.endpoint.create(APP, EndpointIn(url=receiver.url, headers={"X-Tenant": "acme", "Authorization": "Bearer s3cret"}))
    shown = client.endpoint.get_headers(APP, made.id)
    assert (shown.headers, shown.sensitive) == ({"X-Tenant": "acme"}, ["Authorization"])
    send(client)
    (request,) = receiver.wait_for(1)
    assert ("X-Tenant", "acme") in request.headers
    assert ("Authorization", "Bearer s3cret") in request.headers


def test_headers_are_replaced_and_patched(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    client.endpoint.set_headers(APP, made.id, EndpointHeadersIn(headers={"X-One": "1", "X-Two": "2"}))
    client.endpoint.patch_headers(APP, made.id, EndpointHeadersPatchIn(headers={"X-Three": "3"}, delete_headers=["X-One"]))
    assert client.endpoint.get_headers(APP, made.id).headers == {"X-Two": "2", "X-Three": "3"}


def test_a_header_that_belongs_to_the_protocol_is_refused(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    with pytest.raises(HTTPValidationError):
        client.endpoint.set_headers(APP, made.id, EndpointHeadersIn(headers={"webhook-signature": "v1,forged"}))
