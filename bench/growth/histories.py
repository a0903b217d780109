"""Rows of what happened: messages, their contents, attempts and outcomes, in the shares of a service that works.

19 messages in 20 go somewhere, one in five to two endpoints; 19 deliveries in 20 succeed at once, one in 50 fails for good.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any

from bench.growth.registrations import Registered, type_name
from bench.growth.shapes import BIG, BIG_SHARE, EVENT_TYPES, RARE, RARE_EVERY, Shape
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.ids import Minter

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
KEPT_MS = 90 * DAY_MS
URL = "http://127.0.0.1:9/hook"
BODY = b'{"id":"in_1234567890","amount":1234,"currency":"usd","customer":"cus_1234567","note":"' + b"x" * 60 + b'"}'
CHUNK = 10_000
SUCCESS, FAIL, CANCELED = 0, 2, 4
Rows = dict[str, list[tuple[Any, ...]]]

COLUMNS = {
    "messages": ("application", "id", "organization", "event_type", "event_id", "channels", "created_at", "content_expires_at"),
    "contents": ("message", "content_type", "body", "expires_at"),
    "event_ids": ("application", "event_id", "message"),
    "idempotency_keys": ("key", "fingerprint", "answer", "expires_at"),
    "outcomes": (
        "endpoint", "message", "round", "application", "organization", "trigger", "state", "attempts", "last_attempt", "ended_at",
    ),
    "attempts": (
        "message", "id", "endpoint", "round", "application", "organization", "trigger", "number", "url", "event_type", "channels",
        "state", "response_status", "response", "truncated", "started_at", "duration_ms",
    ),
}  # fmt: skip


class History:
    """`counters`: (endpoint, hour) to [success, fail, canceled], complete when all chunks were read."""

    def __init__(self, shape: Shape, made: Registered, now: int, chance: Random) -> None:
        self.counters: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._shape, self._made, self._now, self._chance = shape, made, now, chance
        self._messages, self._attempts = Minter(chance.randbytes), Minter(chance.randbytes)

    def chunks(self) -> Iterator[Rows]:
        """Oldest first, `CHUNK` messages at a time."""
        began = self._now - self._shape.days * DAY_MS
        step = (self._now - 60_000 - began) / self._shape.messages
        rows: Rows = {table: [] for table in COLUMNS}
        for number in range(self._shape.messages):
            self._message(rows, number, began + int(number * step))
            if (number + 1) % CHUNK == 0:
                yield rows
                rows = {table: [] for table in COLUMNS}
        yield rows

    def _message(self, rows: Rows, number: int, at: int) -> None:
        random = self._chance.random
        place = BIG if number % BIG_SHARE == 0 else 1 + int(random() * (self._shape.applications - 1))
        application = self._made.applications[place]
        ident, at = self._messages.mint_timed("msg", at)
        event_type = RARE if number % RARE_EVERY == 0 else type_name(int(random() * EVENT_TYPES))
        channels = f'["c{number % 7}"]' if number % 5 == 0 else None
        event_id = f"event-{number}" if number % 10 == 3 else None
        rows["messages"].append((application, ident, ORG, event_type, event_id, channels, at, at + KEPT_MS))
        rows["contents"].append((ident, "application/json", BODY, at + KEPT_MS))
        if event_id is not None:
            rows["event_ids"].append((application, event_id, ident))
        if at > self._now - DAY_MS + 3 * HOUR_MS:  # younger ones would expire while they are measured
            key = hashlib.sha256(ident.encode()).digest()
            rows["idempotency_keys"].append((key, key[:16], f'["{ident}",{at}]'.encode(), at + DAY_MS))
        endpoints = self._made.endpoints[place]
        wanted = 0 if number % 20 == 7 else 2 if number % 5 == 1 else 1
        first = int(random() * len(endpoints))
        for n in range(min(wanted, len(endpoints))):
            self._delivery(rows, application, endpoints[(first + n) % len(endpoints)], ident, at, event_type, channels)

    def _delivery(
        self, rows: Rows, application: str, endpoint: str, message: str, at: int, event_type: str, channels: str | None
    ) -> None:  # fmt: skip
        luck = self._chance.random()
        state, tries = (SUCCESS, 1) if luck < 0.95 else (SUCCESS, 2) if luck < 0.97 else (FAIL, 3) if luck < 0.99 else (CANCELED, 0)
        last = None
        for number in range(1, tries + 1):
            good = state == SUCCESS and number == tries
            last = self._attempts.mint("atmpt", at + 5)
            rows["attempts"].append((
                message, last, endpoint, 0, application, ORG, 0, number, URL, event_type, channels, SUCCESS if good else FAIL,
                200 if good else 500, b"ok" if good else b"it does not work today", 0, at + 5, 3,
            ))  # fmt: skip
        rows["outcomes"].append((endpoint, message, 0, application, ORG, 0, state, tries, last, at + 10))
        self.counters[endpoint, at // HOUR_MS][state // 2] += 1
