"""A message is what happened. Its body's bytes are kept, and sent, exactly as they were given."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from hookwright.domain.endpoints import Endpoint, wants
from hookwright.domain.filters import MAX_LOOKS, NOT_JSON, Filter, judge, read_payload

JSON = "application/json"
MAX_NESTING = 64
MAX_RETENTION_DAYS = 90
"""The longest that a body is kept."""
QUICK_LOOKS, LOOKS_AT_ONCE = 500, 10_000
MOST_LOOKS = 20 * MAX_LOOKS
"""Of all filters together that need more than a quick look at one message, and of one poll: half a second, or a whole one."""


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

    What is in a message is judged by `sieve`, only if one of them has a filter.
    """
    chosen = frozenset(channels) if channels else None
    return [endpoint for endpoint in endpoints if wants(endpoint, event_type, chosen)]


def sieve(endpoints: Sequence[Endpoint], content: Content | None) -> Iterator[list[Endpoint]]:
    """Those of the endpoints whose filter, if they have one, wants this content; in portions, between which others may get a turn.

    The content is decoded once at most; see `passes`. Filters that look at much come last, and share `MOST_LOOKS`:
    who makes filters that are much work keeps no other endpoint from its messages. When nothing is left of it, a filter is not
    judged, and wants nothing.
    """
    portion = [one for one in endpoints if one.options.filter is None]
    waiting = [(one, one.options.filter) for one in endpoints if one.options.filter is not None]
    payload = _payload(content) if waiting else NOT_JSON
    looks, left = 0, MOST_LOOKS
    for quick in (True, False):
        long = []
        for one, filter in waiting:
            if looks >= LOOKS_AT_ONCE:
                yield portion
                portion, looks = [], 0
            wanted, looked = judge(filter, payload, QUICK_LOOKS if quick else min(MAX_LOOKS, left))
            looks += looked
            left -= 0 if quick else looked
            if wanted is None:
                long.append((one, filter))
            elif wanted:
                portion.append(one)
        waiting = long
    yield portion


def goes_to(endpoint: Endpoint, message: Message, content: Content | None) -> tuple[bool, int]:
    """Whether a message that was kept is one that this endpoint wants, by everything that it chooses by; and at how many values of
    its content its filter looked.
    """
    if not fan_out(message.event_type, message.channels, (endpoint,)):
        return False, 0
    if endpoint.options.filter is None:
        return True, 0
    return passes(endpoint.options.filter, content)


def passes(filter: Filter, content: Content | None) -> tuple[bool, int]:
    """Whether a filter wants this content, and at how many values it looked. It wants none that is gone (None), or that is no JSON."""
    wanted, looked = judge(filter, _payload(content), MAX_LOOKS)
    return wanted is True, looked


def _payload(content: Content | None) -> Any:
    if content is None:
        return NOT_JSON
    kind = content.content_type.partition(";")[0].strip().lower()
    return read_payload(content.body) if kind == JSON or kind.endswith("+json") else NOT_JSON
