"""An attempt is one try of a delivery: what was sent where, what came back, and how long it took."""

import msgspec

from hookwright.domain.deliveries import Key, State, Trigger

EXPUNGED = b"EXPUNGED"
"""Stands where a response was removed."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """`response_status` is 0 when there was no answer; then `response` says why, in one line.

    `response` is at most the stored cap (16 KiB), as bytes; `truncated` says that there was more.
    """

    id: str
    key: Key
    application: str
    organization: str
    trigger: Trigger
    number: int
    url: str
    event_type: str
    channels: tuple[str, ...] | None
    state: State
    response_status: int
    response: bytes
    truncated: bool = False
    started_at: int
    duration_ms: int
