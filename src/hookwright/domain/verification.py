"""What an endpoint may ask to be done before it gets its first message: whether its receiver wants messages at all. Pure.

| verification | we ask | the receiver says yes by |
|---|---|---|
| `options` | OPTIONS with `WebHook-Request-Origin` | `WebHook-Allowed-Origin`: our origin, or `*`; it may set a rate |
| `challenge` | GET with a random `hub.challenge`, or a signed POST with a random `challenge` | a 2xx and the challenge as the body |

Sources: CloudEvents, HTTP 1.1 Web Hooks, 4 (the status of the answer to OPTIONS says nothing); WebSub, 5.3.
"""

import re
from typing import Literal
from urllib.parse import urlencode

import msgspec

Verification = Literal["none", "options", "challenge"]
ChallengeMethod = Literal["GET", "POST"]
REQUEST_ORIGIN = "WebHook-Request-Origin"
POSTED = "endpoint.verification"
"""The `type` of a posted challenge."""
_RATE = re.compile(r"[0-9]{1,9}")


class Consent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A receiver's yes, at this URL and time (Unix ms), to what was asked. `origin`: whom it allows, which is said with every message;
    `rate`: messages per minute at most.
    """

    url: str
    asked: Verification
    at: int
    origin: str | None = None
    rate: int | None = None


class Grant(msgspec.Struct, frozen=True):
    """`rate`: messages per minute at most; None for any number."""

    rate: int | None


def granted(headers: tuple[tuple[str, str], ...], origin: str) -> Grant | None:
    """What the answer to OPTIONS allows `origin`; None: nothing. A rate that cannot be read is none: who sets no limit says `*`."""
    allowed = {value.strip().lower() for name, value in headers if name == "webhook-allowed-origin"}
    rates = {value.strip() for name, value in headers if name == "webhook-allowed-rate"}
    if len(allowed) != 1 or not allowed <= {"*", origin.lower()} or len(rates) > 1:
        return None
    rate = next(iter(rates), "*")
    if rate == "*":
        return Grant(None)
    return Grant(int(rate)) if _RATE.fullmatch(rate) and int(rate) else None


def challenge_url(url: str, endpoint: str, challenge: str) -> str:
    """The endpoint's URL with the challenge behind what its query says already."""
    query = urlencode({"hub.mode": "subscribe", "hub.topic": endpoint, "hub.challenge": challenge})
    return f"{url}{'&' if '?' in url else '?'}{query}"


def challenge_body(endpoint: str, challenge: str) -> bytes:
    return msgspec.json.encode({"type": POSTED, "endpointId": endpoint, "challenge": challenge})


def is_echo(body: bytes, challenge: str) -> bool:
    """Whether an answer is the challenge: as it is, or as a JSON object's `challenge`."""
    if body.strip() == challenge.encode():
        return True
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("challenge") == challenge
