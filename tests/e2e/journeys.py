"""What the journeys share: a tenant, receivers' scripts, and reading the wire."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import ClientSession, web
from standardwebhooks import Webhook
from svix.api import EndpointIn, EndpointOut, MessageIn, MessageOut, Svix, SvixOptions

from tests.harness import Received, Receiver

APP = "app"
_HOP = {"host", "content-length", "transfer-encoding", "connection"}


class Tenant(msgspec.Struct, frozen=True):
    """An organization with the application `app`; `client` speaks with the organization's own token."""

    url: str
    token: str
    client: Svix

    def as_bearer(self, token: str) -> Svix:
        return Svix(token, SvixOptions(server_url=self.url))


def endpoint(client: Svix, url: str, **fields: Any) -> EndpointOut:
    return client.endpoint.create(APP, EndpointIn(url=url, **fields))


def send(client: Svix, event_type: str = "invoice.paid", payload: dict[str, Any] | None = None, **fields: Any) -> MessageOut:
    return client.message.create(APP, MessageIn(event_type=event_type, payload=payload or {"n": 1}, **fields))


def answering(*statuses: int) -> Callable[[Received], web.Response]:
    """These statuses in turn; the last one from then on."""
    left = list(statuses)
    return lambda _: web.Response(status=left.pop(0) if len(left) > 1 else left[0], text="said the receiver")


def settled(client: Svix, endpoint_id: str) -> bool:
    """Nothing of this endpoint is on its way any more."""
    stats = client.endpoint.get_stats(APP, endpoint_id)
    return stats.pending + stats.sending == 0


def verify(request: Received, secret: str) -> None:
    """By the Standard Webhooks project's own library. Raises WebhookVerificationError."""
    Webhook(secret).verify(request.body, dict(request.headers), json_parse=False)


def passing_on(url: str) -> Callable[[Received], Awaitable[web.StreamResponse]]:
    """A receiver's answer that is the server's at `url`: a proxy whose receiver has recorded what the client sent."""

    async def answer(request: Received) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers if name.lower() not in _HOP]
        async with (
            ClientSession() as session,
            session.request(request.method, url + request.path, headers=headers, data=request.body) as got,
        ):
            kept = {name: value for name, value in got.headers.items() if name.lower() not in _HOP}
            return web.Response(status=got.status, headers=kept, body=await got.read())

    return answer


def member(body: bytes, name: str) -> bytes:
    """The bytes of one member's value in a JSON object, as they stand there."""
    text, decoder = body.decode(), json.JSONDecoder()
    at = text.index("{") + 1
    while True:
        key, at = decoder.raw_decode(text, _skip(text, at, ","))
        begin = _skip(text, at, ":")
        _, at = decoder.raw_decode(text, begin)
        if key == name:
            return text[begin:at].encode()


def _skip(text: str, at: int, mark: str) -> int:
    while text[at] in mark + " \t\r\n":
        at += 1
    return at


def sent_by(recorder: Receiver) -> list[Received]:
    """The messages that a client created, as it put them on the wire."""
    return [request for request in recorder.requests if request.method == "POST" and request.path.partition("?")[0].endswith("/msg")]
