"""`HOOKWRIGHT_SIGNATURE_HEADERS`: what receivers that look for `svix-*` need, verified by the SDK's own `Webhook`."""

from pathlib import Path

import pytest
from svix.api import ApplicationIn, Svix, SvixOptions
from svix.webhooks import Webhook

from tests.e2e.journeys import APP, endpoint, send, verify
from tests.harness import Received, Receiver, org_token, running_server


def one_request(folder: Path, receiver: Receiver, style: str) -> tuple[Received, str]:
    with running_server(folder, signature_headers=style) as server:
        client = Svix(org_token(), SvixOptions(server_url=server.url))
        client.application.create(ApplicationIn(name="Acme", uid=APP))
        secret = client.endpoint.get_secret(APP, endpoint(client, receiver.url).id).key
        send(client)
        return receiver.wait_for(1)[0], secret


def prefixes(request: Received) -> set[str]:
    return {name.partition("-")[0].lower() for name, _ in request.headers if name.lower().endswith("-signature")}


@pytest.mark.parametrize(("style", "expected"), [("svix", {"svix"}), ("both", {"svix", "webhook"}), ("standard", {"webhook"})])
def test_the_sdk_verifies_requests_with_any_style_of_headers(tmp_path: Path, receiver: Receiver, style: str, expected: set[str]) -> None:
    request, secret = one_request(tmp_path, receiver, style)
    assert prefixes(request) == expected
    Webhook(secret).verify(request.body, dict(request.headers))


def test_with_both_styles_a_standard_webhooks_receiver_verifies_too(tmp_path: Path, receiver: Receiver) -> None:
    request, secret = one_request(tmp_path, receiver, "both")
    verify(request, secret)
    assert request.header("svix-id") == request.header("webhook-id")
    assert request.header("svix-signature") == request.header("webhook-signature")
