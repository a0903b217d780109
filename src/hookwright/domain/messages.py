"""A message is what happened. Its body's bytes are kept, and sent, exactly as they were given."""

from collections.abc import Iterable

import msgspec

from hookwright.domain.endpoints import Endpoint, wants

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
    """The endpoints that this message goes to; none is an answer too, the message is stored all the same."""
    chosen = frozenset(channels) if channels else None
    return [endpoint for endpoint in endpoints if wants(endpoint, event_type, chosen)]
