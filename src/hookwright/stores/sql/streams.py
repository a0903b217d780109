"""Rows that come one after another, looked at without having all of them."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import TypeVar

from hookwright.stores.sql.db import Row

T = TypeVar("T")


async def take(items: AsyncIterator[T], most: int) -> AsyncIterator[T]:
    """The next `most` of them; the rest stays where it is."""
    taken = 0
    while taken < most:
        try:
            yield await anext(items)
        except StopAsyncIteration:
            return
        taken += 1


async def runs(rows: AsyncIterable[Row]) -> AsyncIterator[tuple[str, list[Row]]]:
    """Rows that follow each other and have the same first column, which is a text, together with it."""
    run: list[Row] = []
    async for row in rows:
        if run and run[0][0] != row[0]:
            yield run[0][0], run
            run = []
        run.append(row)
    if run:
        yield run[0][0], run


async def merged(left: AsyncIterator[Row], right: AsyncIterator[Row], *, down: bool) -> AsyncIterator[Row]:
    """The rows of both, each in the order of its first column, in that order."""
    one, other = await anext(left, None), await anext(right, None)
    while one is not None and other is not None:
        if (one[0] >= other[0]) if down else (one[0] <= other[0]):
            yield one
            one = await anext(left, None)
        else:
            yield other
            other = await anext(right, None)
    rest, source = (one, left) if one is not None else (other, right)
    while rest is not None:
        yield rest
        rest = await anext(source, None)
