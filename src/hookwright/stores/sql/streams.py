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
