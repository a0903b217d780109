"""Statements as PostgreSQL reads them: most are those of `stores.sql`, word for word; some have a form of their own here.

Three things differ in every statement: how values are named, hints for SQLite's planner, and how a list of texts is
handed in. What differs more is written anew in `queries/`, under the same noun and name.
"""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from hookwright.stores.sql.db import Values
from hookwright.stores.sql.registry import Statement, load_sql

_COMMENT = re.compile(r"--[^\n]*")
_HINT = re.compile(r" indexed by \w+")
_LIST = re.compile(r"select value from json_each\((:\w+)\)")
_AMONG = re.compile(r"(?<!not) in \(select value from json_each\((:\w+)\)\)")
_BLOB = re.compile(r" as blob\)")
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")
_NUMBER = re.compile(r"\?(\d*)")


class Prepared(NamedTuple):
    """A statement with `$1`, `$2`, ...; `names` says which values those are, or is None if they come in order."""

    text: str
    names: tuple[str, ...] | None

    def arguments(self, values: Values) -> tuple[Any, ...]:
        if self.names is None:
            return tuple(values)
        assert isinstance(values, Mapping)
        return tuple([values[name] for name in self.names])


def prepare(sql: str) -> Prepared:
    """How PostgreSQL is to be asked what `sql` says."""
    place = sql.place if isinstance(sql, Statement) else None
    return _numbered(_OWN.get(place, sql) if place else sql)


def _numbered(sql: str) -> Prepared:
    text = _COMMENT.sub("", sql)
    text = _AMONG.sub(r" = any(array(select json_array_elements_text(cast(\1 as json))))", text).replace("instr(", "strpos(")
    text = _LIST.sub(r"select value from json_array_elements_text(cast(\1 as json)) as listed (value)", text)
    text = _BLOB.sub(" as bytea)", _HINT.sub("", text))
    names: dict[str, int] = {}
    named = _NAME.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", text)
    if names:
        return Prepared(named, tuple(names))
    count = iter(range(1, 1000))
    return Prepared(_NUMBER.sub(lambda found: f"${found[1] or next(count)}", text), None)


def _own_statements() -> dict[str, str]:
    """By place; the statements of `queries/`."""
    folder = resources.files(__package__) / "queries"
    nouns = [file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql")]
    return {sql.place: sql for noun in nouns for sql in vars(load_sql(noun, __package__)).values()}


_OWN = _own_statements()
