"""Formats of endpoints, as receivers of each kind read them: forms, and CloudEvents by their own project's library."""

from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from svix.api import EndpointIn, EndpointPatch, EndpointTransformationPatch
from svix.models import EndpointUpsertIn

from tests.e2e.journeys import APP, Tenant, send, verify
from tests.harness import Received, Receiver


def with_format(tenant: Tenant, url: str, form: str) -> str:
    """The id of a new endpoint; the SDK does not know the field."""
    made = httpx.post(
        f"{tenant.url}/api/v1/app/{APP}/endpoint", json={"url": url, "format": form}, headers={"authorization": f"Bearer {tenant.token}"}
    )
    assert made.status_code == 201, made.text
    assert made.json()["format"] == form
    return str(made.json()["id"])


def cloud_event(request: Received) -> BaseCloudEvent:
    return from_http_event(HTTPMessage(headers=dict(request.headers), body=request.body))


def test_a_form_arrives_as_one_and_signed(tenant: Tenant, receiver: Receiver) -> None:
    endpoint = with_format(tenant, receiver.url, "form")
    send(tenant.client, payload={"name": "Zoë & co", "total": 12.5, "lines": [{"n": 1}]})
    (request,) = receiver.wait_for(1)
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {"name": ["Zoë & co"], "total": ["12.5"], "lines": ['[{"n":1}]']}
    verify(request, tenant.client.endpoint.get_secret(APP, endpoint).key)


@pytest.mark.parametrize("form", ["cloudevents", "cloudevents-binary"])
def test_a_cloudevent_is_read_by_its_projects_own_library(tenant: Tenant, receiver: Receiver, form: str) -> None:
    endpoint = with_format(tenant, receiver.url, form)
    payload: dict[str, Any] = {"name": "Zoë", "deep": {"list": [1, None]}}
    message = send(tenant.client, payload=payload)
    (request,) = receiver.wait_for(1)
    event = cloud_event(request)
    assert (event.get_id(), event.get_type(), event.get_specversion()) == (message.id, "invoice.paid", "1.0")
    assert event.get_source() == f"/app/{tenant.client.application.get(APP).id}"
    assert event.get_time() == message.timestamp
    assert event.get_data() == payload
    assert (request.header("content-type") == "application/cloudevents+json; charset=UTF-8") is (form == "cloudevents")
    verify(request, tenant.client.endpoint.get_secret(APP, endpoint).key)


def test_a_format_is_put_on_what_a_transformation_made(tenant: Tenant, receiver: Receiver) -> None:
    endpoint = with_format(tenant, receiver.url, "cloudevents")
    code = "function handler(webhook) { webhook.payload = {only: webhook.payload.n}; return webhook; }"
    tenant.client.endpoint.transformation.patch(APP, endpoint, EndpointTransformationPatch(code=code, enabled=True))
    send(tenant.client, payload={"n": 3, "more": 4})
    assert cloud_event(receiver.wait_for(1)[0]).get_data() == {"only": 3}


def test_a_format_stays_with_a_patch_and_goes_with_an_update(tenant: Tenant, receiver: Receiver) -> None:
    endpoint = with_format(tenant, receiver.url, "form")
    tenant.client.endpoint.patch(APP, endpoint, EndpointPatch(description="Theirs"))
    send(tenant.client)
    assert receiver.wait_for(1)[0].body == b"n=1"
    tenant.client.endpoint.upsert(APP, endpoint, EndpointUpsertIn(url=receiver.url))
    send(tenant.client)
    assert receiver.wait_for(2)[1].body == b'{"n":1}'


def test_an_endpoint_without_a_format_gets_the_bytes_as_they_are(tenant: Tenant, receiver: Receiver) -> None:
    tenant.client.endpoint.create(APP, EndpointIn(url=receiver.url))
    send(tenant.client)
    (request,) = receiver.wait_for(1)
    assert (request.body, request.header("content-type"), request.header("ce-id")) == (b'{"n":1}', "application/json", None)
