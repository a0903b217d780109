"""Who calls, and what they may do."""

from typing import Literal

import msgspec

Scope = Literal[
    "application:read", "application:write", "endpoint:read", "endpoint:write", "endpoint.secret:read", "endpoint.secret:write",
    "endpoint.transformation:read", "endpoint.transformation:write", "event_type:read", "event_type:write",
    "message:read", "message:write", "payload:read", "replay:write", "key:write",
]  # fmt: skip
SCOPES: frozenset[str] = frozenset(Scope.__args__)  # type: ignore[attr-defined]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A verified caller. `application` is None for an organization's own credential.

    `credential` names the token or key (never its secret) and is the scope of idempotency keys. `feature_flags` is
    None when the caller sees every event type.
    """

    organization: str
    credential: str
    scopes: frozenset[str] = SCOPES
    application: str | None = None
    feature_flags: frozenset[str] | None = None
    session_id: str | None = None
    issued_at: int = 0
    expires_at: int | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A long-lived key as the store keeps it: `digest` is SHA-256 of its secret. Times are Unix ms."""

    id: str
    organization: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Application tokens of `application` issued up to `issued_until` end at `effective_at` (all Unix ms).

    With `session_id` only those of that session; with `credential` only that one token (a logout). The row can go
    at `forget_at`: by then every token it speaks of has expired by itself.
    """

    organization: str
    application: str
    issued_until: int
    effective_at: int
    forget_at: int
    session_id: str | None = None
    credential: str | None = None
