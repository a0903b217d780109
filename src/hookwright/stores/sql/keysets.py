"""Lists that are read by index range, from a key onwards, with a bound on how much one request may look at.

Rules: no OFFSET from the list's beginning; a filter is judged by the database, within a window of as many rows as the
budget allows. When the window has no more the page ends short, `done` is false and its edge is the window's: who asks
goes on from there. So a filter that matches nothing costs the same in a table of any size, and no insert pays for it.
"""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeVar

import msgspec

from hookwright import ids
from hookwright.domain.pages import Page, PageRequest
from hookwright.stores.sql.db import Db

T = TypeVar("T")
U = TypeVar("U")
_BEYOND = "~"  # sorts after every id
bound = ids.lowest
LEAST_BUDGET, ROWS_PER_ITEM = 500, 10
"""How many rows one request may look at: some, and some more for each item that it asks for."""


class Keyset(msgspec.Struct, frozen=True):
    """The ids from `low` (inclusive) to `high` (exclusive), read downwards or upwards.

    `edge` is the id at which a window ends that the budget cut (it is looked at, what follows it is not); else None.
    """

    low: str
    high: str
    down: bool
    edge: str | None = None

    @property
    def range(self) -> dict[str, str]:
        """As statements name it."""
        return {"low": self.low, "high": self.high}

    def up_to(self, edge: str) -> "Keyset":
        """The part of it that ends with `edge`."""
        if self.down:
            return Keyset(max(self.low, edge), self.high, True, edge)
        return Keyset(self.low, min(self.high, edge + " "), False, edge)


def keyset(page: PageRequest, prefix: str, *, after: int | None = None, before: int | None = None) -> Keyset:
    """The range of a page within `after` <= creation < `before` (Unix ms); `prefix` is that of the listed ids."""
    down = (page.order == "descending") != page.backwards
    low = "" if after is None else bound(prefix, after)
    high = _BEYOND if before is None else bound(prefix, before)
    if page.cursor is not None and down:
        high = min(high, page.cursor)
    elif page.cursor is not None:
        low = max(low, page.cursor + " ")  # after the cursor itself, before every other id that follows it
    return Keyset(low, high, down)


def budget(page: PageRequest) -> int:
    """How many rows one request may look at."""
    return ROWS_PER_ITEM * page.limit + LEAST_BUDGET


async def window(db: Db, edge_sql: str, of: dict[str, Any], keys: Keyset, rows: int) -> Keyset:
    """The part of `keys` that holds so many rows at most; `edge_sql` finds the id of the last of them."""
    row = await db.first(edge_sql, of | keys.range | {"skipped": rows - 1})
    return keys if row is None else keys.up_to(row[0])


async def gather(page: PageRequest, candidates: AsyncIterable[tuple[str, T | None]], edge: str | None = None) -> Page[T]:
    """A page from `candidates` in reading order: each its cursor and its item, None for one the filter refused.

    `edge` is where the window ended that they are from, if the budget cut it.
    """
    taken: list[T] = []
    cursors: list[str] = []
    left = budget(page)
    async for cursor, item in candidates:
        if item is not None:
            if len(taken) == page.limit:
                return _page(page, taken, cursors, more=True)
            taken.append(item)
            cursors.append(cursor)
        left -= 1
        if not left:
            return _page(page, taken, cursors, more=True, edge=cursor)
    return _page(page, taken, cursors, more=edge is not None, edge=edge)


async def each(items: list[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


def replace(page: Page[T], data: list[U]) -> Page[U]:
    """The same page of other values."""
    return Page(data, page.done, page.first, page.last)


def _page(page: PageRequest, taken: list[T], cursors: list[str], *, more: bool, edge: str | None = None) -> Page[T]:
    start = cursors[0] if cursors else None
    end = edge or (cursors[-1] if cursors else None)
    if page.backwards:
        return Page(taken[::-1], not more, end, start)
    return Page(taken, not more, start, end)
