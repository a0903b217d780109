"""Every module with handlers: imported for what they register."""

from hookwright.stores.sql import (
    applications,
    attempts,
    deliveries,
    endpoints,
    event_types,
    health,
    messages,
    messages_read,
    news,
    notices,
    organizations,
    pollers,
    recovers,
    removal,
    retention,
    seals,
    stats,
    transformations,
)

__all__ = [
    "applications", "attempts", "deliveries", "endpoints", "event_types", "health", "messages", "messages_read", "news", "notices",
    "organizations", "pollers", "recovers", "removal", "retention", "seals", "stats", "transformations",
]  # fmt: skip
