"""An event type names what can happen, and says what its messages look like."""

from typing import Any

import msgspec


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix ms. `schemas` maps a version ("1") to a JSON Schema (draft 7)."""

    organization: str
    name: str
    description: str = ""
    archived: bool = False
    deprecated: bool = False
    schemas: dict[str, Any] | None = None
    feature_flags: tuple[str, ...] = ()
    group_name: str | None = None
    created_at: int
    updated_at: int


def visible(event_type: EventType, feature_flags: frozenset[str] | None) -> bool:
    """Whether a caller with these flags (None: all) sees it: a type without flags is for everybody."""
    return feature_flags is None or not event_type.feature_flags or not feature_flags.isdisjoint(event_type.feature_flags)
