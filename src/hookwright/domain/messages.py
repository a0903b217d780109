"""A message is what happened. Its body's bytes are kept, and sent, exactly as they were given."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hookwright.domain.endpoints import Endpoint, wants
from hookwright.domain.filters import NOT_JSON, matches, read_payload

JSON = "application/json"
MAX_NESTING = 64
MAX_RETENTION_DAYS = 90
"""The longest that a body is kept."""


class Content(msgspec.Struct, frozen=True):
    """The body as bytes, and what it is."""

    body: bytes
    content_type: str = JSON


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message without its content. Times are Unix ms. `content_expires_at`: when retention removes the body."""

    id: str
    organization: str
    application: str
    event_type: str
    event_id: str | None = None
    channels: tuple[str, ...] | None = None
    created_at: int
    content_expires_at: int


def fan_out(event_type: str, channels: tuple[str, ...] | None, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that want this type and these channels; none is an answer too, the message is stored all the same.

    What is in a message is judged by `let_through`, only if one of them has a filter.
    """
    chosen = frozenset(channels) if channels else None
    return [endpoint for endpoint in endpoints if wants(endpoint, event_type, chosen)]


def let_through(endpoints: Sequence[Endpoint], content: Content | None) -> list[Endpoint]:
    """Those of the endpoints whose filter, if they have one, wants this content; it is decoded once at most.

    A filter wants no content that is gone (None), or that is no JSON.
    """
    if all(endpoint.options.filter is None for endpoint in endpoints):
        return list(endpoints)
    payload = _payload(content)
    return [one for one in endpoints if one.options.filter is None or matches(one.options.filter, payload)]


def goes_to(endpoint: Endpoint, message: Message, content: Content | None) -> bool:
    """Whether a message that was kept is one that this endpoint wants, by everything that it chooses by."""
    return bool(fan_out(message.event_type, message.channels, (endpoint,)) and let_through((endpoint,), content))


def _payload(content: Content | None) -> Any:
    if content is None:
        return NOT_JSON
    kind = content.content_type.partition(";")[0].strip().lower()
    return read_payload(content.body) if kind == JSON or kind.endswith("+json") else NOT_JSON
