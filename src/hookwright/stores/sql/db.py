"""How a handler speaks to its database: four verbs over one transaction, the same for every SQL store.

A handler is a coroutine, because a database over a network makes it wait. One in the same process does not: there the
coroutine runs from start to end in one step (see `carry_out`), and costs next to nothing.

Statements name their values (`:name`) or number them (`?`); values are a mapping or a sequence accordingly.
"""

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

R = TypeVar("R")
Row = tuple[Any, ...]
Values = Mapping[str, Any] | Sequence[Any]


def as_list(texts: Sequence[str]) -> str:
    """A list of texts as one value, which statements read by `json_each`."""
    return msgspec.json.encode(texts).decode()


class UniqueViolated(Exception):
    """A row with this key is there already; `key` is the unique index's name, as both schemas call it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Db(Protocol):
    async def first(self, sql: str, values: Values = ()) -> Row | None:
        """The first row."""

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        """Every row."""

    async def run(self, sql: str, values: Values = ()) -> int:
        """How many rows were changed. Raises UniqueViolated, after which the handler may only raise."""

    def each(self, sql: str, values: Values = ()) -> AsyncIterator[Row]:
        """The rows as they are asked for: a reader that stops early has not made the database read the rest."""


def carry_out(handling: Coroutine[Any, Any, R]) -> R:
    """The result of a handler over a database that never makes it wait."""
    try:
        handling.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    handling.close()
    raise RuntimeError("a handler waited for something that is not its database")
