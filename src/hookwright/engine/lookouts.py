"""Looks in the store for endpoints with unowned rows, and tells whoever delivers when those are due. At start, and as a backstop."""

from collections.abc import Callable

from hookwright.clock import Clock
from hookwright.store import Store
from hookwright.store.deliveries import DueEndpoints

LOOK = 1_000
"""Endpoints that are looked at at once."""


class Lookout:
    """`wake` is told an endpoint and a time (Unix ms); `waits`: whether it is known anyway when an endpoint's rows are due."""

    def __init__(self, store: Store, clock: Clock, wake: Callable[[str, int], None], waits: Callable[[str], bool]) -> None:
        self._store, self._clock, self._wake, self._waits = store, clock, wake, waits

    async def look_at_all(self) -> None:
        after: str | None = ""
        while after is not None:
            page = await self._store.read(DueEndpoints(after=after, limit=LOOK))
            for due in page.due:
                self._wake(due.endpoint, due.due_at)
            after = page.after

    async def look_on(self, after: str, late_ms: int) -> str | None:
        """Look at a page of endpoints `after` this one, whether they have rows that are due since `late_ms`; where to look on, None
        at the end.

        That they have some which are not due yet is no news: a timer has them here, or with who settled them.
        """
        page = await self._store.read(DueEndpoints(after=after, limit=LOOK))
        due_by = self._clock.now() - late_ms
        for due in page.due:
            if due.due_at <= due_by and not self._waits(due.endpoint):
                self._wake(due.endpoint, due.due_at)
        return page.after
