"""Rows of retries that fell due while nothing ran: each a message with its content and a live row that nobody owns."""

from random import Random
from typing import Any

from bench.growth.fills import SEED, Insert
from bench.growth.histories import BODY, COLUMNS, KEPT_MS
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.ids import Minter

DELIVERY = ("endpoint", "message", "round", "application", "organization", "trigger", "attempts", "due_at", "owner", "created_at")
KILLED = 10**9
"""The epoch of the process that was killed: no other will ever be the same."""
AGO_MS, LATE_MS = 3_600_000, 600_000
"""The messages came so long ago, and their retries have been due for up to so long."""


async def add_backlog(insert: Insert, endpoints: list[tuple[str, str]], each: int, now: int, *, held: int = 0, leased: bool = False) -> int:
    """`each` due retries for every (application, endpoint); how many that is together.

    `held`: so many are in the hands of a process that was killed; `leased`: which had a lease.
    """
    chance = Random(SEED)
    mint = Minter(chance.randbytes).mint_timed
    messages: list[tuple[Any, ...]] = []
    contents: list[tuple[Any, ...]] = []
    deliveries: list[tuple[Any, ...]] = []
    for number in range(each * len(endpoints)):
        application, endpoint = endpoints[number % len(endpoints)]
        ident, at = mint("msg", now - AGO_MS)
        messages.append((application, ident, ORG, "growth.late", None, None, at, at + KEPT_MS))
        contents.append((ident, "application/json", BODY, at + KEPT_MS))
        due_at = now - int(chance.random() * LATE_MS)
        deliveries.append((endpoint, ident, 0, application, ORG, 0, 1, due_at, KILLED if number < held else 0, at))
    if leased:
        await insert("nodes", ("epoch", "started_at", "seen_at"), [(KILLED, 0, 0)])
    await insert("messages", COLUMNS["messages"], messages)
    await insert("contents", COLUMNS["contents"], contents)
    await insert("deliveries", DELIVERY, deliveries)
    return len(deliveries)
