"""Every module with handlers: imported for what they register."""

from hookwright.stores.sql import (
    applications,
    attempts,
    dead_letters,
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
    removal,
    replays,
    retention,
    seals,
    stats,
    tasks,
    transformations,
)

__all__ = [
    "applications", "attempts", "dead_letters", "deliveries", "endpoints", "event_types", "health", "messages", "messages_read", "news",
    "notices", "organizations", "pollers", "removal", "replays", "retention", "seals", "stats", "tasks", "transformations",
]  # fmt: skip
