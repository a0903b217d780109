"""Every way by which somebody who can call the API makes the server send a request, or keep where to. New ways are added here.

An `Entry` takes a URL from a caller: it refuses it, or keeps it. An `Exit` makes a request to where an endpoint's URL leads, whatever
is stored there; each adds one attempt. What makes none has a test of its own: verifications, and the tokens of `auth`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from tests.integration.api import Api

SINCE = "2020-01-01T00:00:00Z"
OAUTH2 = {"kind": "oauth2", "clientId": "me", "clientSecret": "s3cret"}


class Entry(NamedTuple):
    """`ask`: with an API, the id of an endpoint of application `a`, and the URL. `place`: what a refusal names."""

    name: str
    ask: Callable[[Api, str, str], httpx.Response]
    place: str = "body.url"


class Exit(NamedTuple):
    """`begin`: with an API, the id of an endpoint of application `a`, and that of a message which was sent to it."""

    name: str
    begin: Callable[[Api, str, str], Any]


ENTRIES = (
    Entry("create", lambda api, _, url: api("POST", "/app/a/endpoint", {"url": url, "channels": ["nothing"]})),
    Entry("update", lambda api, endpoint, url: api("PUT", f"/app/a/endpoint/{endpoint}", {"url": url, "channels": ["nothing"]})),
    Entry("patch", lambda api, endpoint, url: api("PATCH", f"/app/a/endpoint/{endpoint}", {"url": url})),
    Entry(
        "token",
        lambda api, endpoint, url: api("PUT", f"/app/a/endpoint/{endpoint}/auth", OAUTH2 | {"tokenUrl": url}),
        "body.oauth2.tokenUrl",
    ),
    Entry("operational", lambda api, _, url: api("POST", "/operational-webhook/endpoint", {"url": url})),
)
EXITS = (
    Exit("example", lambda api, endpoint, _: api.ok("POST", f"/app/a/endpoint/{endpoint}/send-example", {"eventType": "svix.ping"})),
    Exit("resend", lambda api, endpoint, message: api.ok("POST", f"/app/a/msg/{message}/endpoint/{endpoint}/resend")),
    Exit("recover", lambda api, endpoint, _: api.ok("POST", f"/app/a/endpoint/{endpoint}/recover", {"since": SINCE})),
)
"""Besides the delivery of a message, by which each of them begins."""
