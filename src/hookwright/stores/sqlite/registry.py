"""Which function carries out which command or query.

A handler is a plain function of a connection and the value. A command's handler runs inside the group's transaction,
in a savepoint of its own: what it raises undoes its own work only. It must be short (the group waits for it) and must
do no I/O of its own. A query's handler runs on a read-only connection.
"""

import re
from collections.abc import Callable
from importlib import resources
from types import SimpleNamespace
from typing import Any, TypeVar

import apsw

from hookwright.store import Command, Query

R = TypeVar("R")
C = TypeVar("C", bound=Command[Any])
Q = TypeVar("Q", bound=Query[Any])

WRITERS: dict[type, Callable[[apsw.Connection, Any], Any]] = {}
READERS: dict[type, Callable[[apsw.Connection, Any], Any]] = {}


def writes(command: type[C]) -> Callable[[Callable[[apsw.Connection, C], R]], Callable[[apsw.Connection, C], R]]:
    """Register the handler of one command."""

    def register(handler: Callable[[apsw.Connection, C], R]) -> Callable[[apsw.Connection, C], R]:
        WRITERS[command] = handler
        return handler

    return register


def reads(query: type[Q]) -> Callable[[Callable[[apsw.Connection, Q], R]], Callable[[apsw.Connection, Q], R]]:
    """Register the handler of one query."""

    def register(handler: Callable[[apsw.Connection, Q], R]) -> Callable[[apsw.Connection, Q], R]:
        READERS[query] = handler
        return handler

    return register


def load_sql(noun: str) -> SimpleNamespace:
    """The named statements of `queries/<noun>.sql`, as attributes. `-- name: x` begins the statement x."""
    text = (resources.files(__package__) / "queries" / f"{noun}.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+).*$", text, flags=re.MULTILINE)
    return SimpleNamespace(**{name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)})
