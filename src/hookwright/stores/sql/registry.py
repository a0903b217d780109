"""Which function carries out which command or query.

A handler is a coroutine function of a database and the value. A command's handler runs inside a transaction, undone as a
whole if it raises; it must be short (others may wait for it) and wait for nothing but its database. A query's handler
sees one state of the database, however many statements it takes.
"""

import re
from collections.abc import Callable, Coroutine
from importlib import resources
from types import SimpleNamespace
from typing import Any, TypeVar

from hookwright.store import Command, Query
from hookwright.stores.sql.db import Db

R = TypeVar("R")
C = TypeVar("C", bound=Command[Any])
Q = TypeVar("Q", bound=Query[Any])
Handler = Callable[[Db, Any], Coroutine[Any, Any, Any]]

WRITERS: dict[type, Handler] = {}
READERS: dict[type, Handler] = {}


def writes(command: type[C]) -> Callable[[Callable[[Db, C], Coroutine[Any, Any, R]]], Callable[[Db, C], Coroutine[Any, Any, R]]]:
    """Register the handler of one command."""

    def register(handler: Callable[[Db, C], Coroutine[Any, Any, R]]) -> Callable[[Db, C], Coroutine[Any, Any, R]]:
        WRITERS[command] = handler
        return handler

    return register


def reads(query: type[Q]) -> Callable[[Callable[[Db, Q], Coroutine[Any, Any, R]]], Callable[[Db, Q], Coroutine[Any, Any, R]]]:
    """Register the handler of one query."""

    def register(handler: Callable[[Db, Q], Coroutine[Any, Any, R]]) -> Callable[[Db, Q], Coroutine[Any, Any, R]]:
        READERS[query] = handler
        return handler

    return register


class Statement(str):
    """A statement's text, as SQLite reads it, that knows its place: `deliveries.settle`."""

    __slots__ = ("place",)
    place: str

    @classmethod
    def at(cls, place: str, text: str) -> "Statement":
        statement = cls(text)
        statement.place = place
        return statement


def load_sql(noun: str, package: str = __package__) -> SimpleNamespace:
    """The named statements of `queries/<noun>.sql`, as attributes. `-- name: x` begins the statement x."""
    text = (resources.files(package) / "queries" / f"{noun}.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+).*$", text, flags=re.MULTILINE)
    named = zip(parts[1::2], parts[2::2], strict=True)
    return SimpleNamespace(**{name: Statement.at(f"{noun}.{name}", body.strip()) for name, body in named})
