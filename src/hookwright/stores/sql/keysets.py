"""Lists that are read by index range, from a key onwards, with a bound on how much one request may look at.

Rules: no OFFSET; the rows of a page come lazily from one ordered statement; a filter is judged row by row, and when
the budget is spent the page ends short, `done` is false and its edge is where the looking stopped.
"""

from collections.abc import AsyncIterable
from typing import TypeVar

import msgspec

from hookwright import ids
from hookwright.domain.pages import Page, PageRequest

T = TypeVar("T")
U = TypeVar("U")
_STEP_MS = 4  # the resolution of the time in an id
_BEYOND = "~"  # sorts after every id


class Keyset(msgspec.Struct, frozen=True):
    """The ids from `low` (inclusive) to `high` (exclusive), read downwards or upwards."""

    low: str
    high: str
    down: bool


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


def bound(prefix: str, at: int) -> str:
    """The smallest id that was created at `at` (Unix ms) or later."""
    return f"{prefix}_{ids.floor(-(-at // _STEP_MS) * _STEP_MS)}"


def budget(page: PageRequest) -> int:
    """How many rows one request may look at."""
    return 20 * page.limit + 1000


async def gather(page: PageRequest, candidates: AsyncIterable[tuple[str, T | None]]) -> Page[T]:
    """A page from `candidates` in reading order: each its cursor and its item, None for one the filter refused."""
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
    return _page(page, taken, cursors, more=False)


def replace(page: Page[T], data: list[U]) -> Page[U]:
    """The same page of other values."""
    return Page(data, page.done, page.first, page.last)


def _page(page: PageRequest, taken: list[T], cursors: list[str], *, more: bool, edge: str | None = None) -> Page[T]:
    start = cursors[0] if cursors else None
    end = edge or (cursors[-1] if cursors else None)
    if page.backwards:
        return Page(taken[::-1], not more, end, start)
    return Page(taken, not more, start, end)
