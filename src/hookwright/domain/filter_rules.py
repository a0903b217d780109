"""Which content filters are taken: the grammar of `filters`, and how large one may be.

What is bounded here is what every message pays for and what is kept in memory; what else a filter may cost depends on the
payload (`filters.MAX_LOOKS`).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hookwright.domain.filters import COMPARISONS, Filter
from hookwright.errors import Problem

MAX_BYTES = 8192
"""Of a filter as JSON."""
MAX_DEPTH = 16
"""Levels of conditions in each other."""
_LEAST, _MOST = -(2**63), 2**64 - 1

_JOINING = ("$and", "$or", "$not")
NAMES = (*COMPARISONS, "$exist", *_JOINING)
PLACE = ("body", "filter")


def check_filter(filter: Filter) -> list[Problem]:
    """Everything that is wrong with a filter, each at its place in it; empty when it may be kept."""
    problems = list(_condition(filter, PLACE))
    size = len(json.dumps(filter, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    if size > MAX_BYTES:
        problems.append(Problem(PLACE, f"has {size} bytes; at most {MAX_BYTES} are accepted"))
    return problems


def _condition(wanted: Any, at: tuple[str, ...]) -> Iterator[Problem]:
    if len(at) - len(PLACE) > MAX_DEPTH:
        yield Problem(at, f"is more than {MAX_DEPTH} levels deep")
    elif isinstance(wanted, dict):
        if not wanted and at != PLACE:
            yield Problem(at, 'is empty and asks for nothing; {"$exist": true} asks whether something is there')
        for name, one in wanted.items():
            yield from _member(name, one, (*at, name))
    elif isinstance(wanted, list):
        yield from _conditions(wanted, at)
    else:
        yield from _value(wanted, at)


def _member(name: str, wanted: Any, at: tuple[str, ...]) -> Iterator[Problem]:
    if not name.startswith("$") or name == "$not":
        yield from _condition(wanted, at)
    elif name in _JOINING:
        yield from _conditions(wanted, at)
    elif name not in NAMES:
        yield Problem(at, f"is no operator; there are {', '.join(NAMES)}, and the name of a field does not begin with $")
    elif (wrong := _OPERANDS[name](wanted)) is not None:
        yield Problem(at, wrong)
    else:
        yield from _value(wanted, at)


def _conditions(wanted: Any, at: tuple[str, ...]) -> Iterator[Problem]:
    if not isinstance(wanted, list) or not wanted:
        yield Problem(at, "takes a list of one condition or more")
    else:
        for n, one in enumerate(wanted):
            yield from _condition(one, (*at, str(n)))


def _value(value: Any, at: tuple[str, ...]) -> Iterator[Problem]:
    """A value that is compared with is stored and read back as it is."""
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        yield Problem(at, "a whole number has at most 64 bits")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _value(one, (*at, name))
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from _value(one, (*at, str(n)))


def _anything(_: Any) -> str | None:
    return None


def _list_or_text(wanted: Any) -> str | None:
    return None if isinstance(wanted, list | str) and wanted else "takes a list of values, or a text that is looked for in texts"


def _ordered(wanted: Any) -> str | None:
    return None if isinstance(wanted, int | float | str) and not isinstance(wanted, bool) else "takes a number or a text"


def _text(wanted: Any) -> str | None:
    return None if isinstance(wanted, str) and wanted else "takes a text"


def _yes_or_no(wanted: Any) -> str | None:
    return None if isinstance(wanted, bool) else "takes true or false"


_OPERANDS: dict[str, Callable[[Any], str | None]] = {
    "$eq": _anything,
    "$neq": _anything,
    "$in": _list_or_text,
    "$nin": _list_or_text,
    "$gt": _ordered,
    "$gte": _ordered,
    "$lt": _ordered,
    "$lte": _ordered,
    "$startsWith": _text,
    "$endsWith": _text,
    "$exist": _yes_or_no,
}
