"""An application is a customer of the organization (or one integration of it): it has endpoints and messages."""

import msgspec

MAX_ENDPOINTS = 5_000
"""A fan-out is one transaction, so it must have a largest size."""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix ms. `throttle_rate` is messages per second, None for no limit."""

    id: str
    organization: str
    name: str
    uid: str | None = None
    metadata: dict[str, str] = {}
    throttle_rate: int | None = None
    created_at: int
    updated_at: int
