"""Content filters: whether an endpoint wants a message, judged by what its payload says.

A filter is a JSON object; `filter_rules` says which ones are taken. It is a condition on a value, and a condition is

* a text, number, boolean or null: the value equals it;
* a list: the value is a list, and each of these conditions holds for it;
* an object: every member holds. A member named `$...` is an operator on the value itself; any other is a condition on the
  value's field of that name or, where the value is a list, on those of one of its items: all such members on the same
  item. A field that is not there is nothing, which equals nothing and is not null.

Comparisons hold for a list when they hold for one of its items. `$neq` and `$nin` say the opposite of `$eq` and `$in`.
Types are kept apart: "1", 1 and true are three values; 1 and 1.0 are one (RFC 8259 section 6).

What cannot be judged is not wanted: a payload that is no JSON, and one in which a filter would have to look at more than
`MAX_LOOKS` values. So the time that a filter takes is bounded whatever it and the payload are. How long all filters of an
application may take for one message is bounded by who asks them (`messages.sieve`).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

MAX_LOOKS = 50_000
"""At values: some 20 to 50 ms, while nothing else is done. A list is gone through quickly, a condition is tried on a value more slowly."""
LOOKS_PER_CONDITION = 5
MAX_SHOWN, MAX_REASONS = 200, 200
"""Characters of a value in an explanation, and comparisons that it tells of."""
_CHARACTERS_PER_LOOK = 64  # a text is searched that fast

Filter = Mapping[str, Any]
Path = tuple[str | int, ...]
Place = tuple[str, ...]


class _Mark:
    """A value that no JSON has."""


NOT_JSON: Final = _Mark()
ABSENT: Final = _Mark()


class Reason(msgspec.Struct, frozen=True):
    """One comparison: where in the payload (`path`), where in the filter (`at`), what was wanted and found there, in words."""

    path: str
    at: str
    wanted: str
    found: str
    holds: bool


class Explanation(msgspec.Struct, frozen=True):
    """`problem`: why it could not be judged. Under a `$not` a reason tells of the comparison itself, not of its opposite."""

    matches: bool
    reasons: tuple[Reason, ...] = ()
    problem: str | None = None


class _Unjudged(Exception):
    pass


class _TooMuch(_Unjudged):
    pass


def read_payload(body: bytes) -> Any:
    """The value of a JSON text in UTF-8; NOT_JSON if it is none, is nested without end, or has a whole number of thousands of digits."""
    try:
        return _decoder.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return NOT_JSON


def matches(filter: Filter, payload: Any) -> bool:
    """Whether the payload, as `read_payload` gives it, passes the filter."""
    return judge(filter, payload, MAX_LOOKS)[0] is True


def judge(filter: Filter, payload: Any, most: int) -> tuple[bool | None, int]:
    """As `matches`, and at how many values was looked; None if more than `most` would have to be."""
    if payload is NOT_JSON:
        return False, 0
    walk = _Walk(None, most)
    try:
        verdict: bool | None = walk.holds(filter, payload, (), ())
    except _TooMuch:
        verdict = None
    except (_Unjudged, RecursionError):
        verdict = False
    return verdict, most - walk.left


def explain(filter: Filter, payload: Any) -> Explanation:
    """As `matches`, and why: every comparison there is, also those that the answer did not depend on."""
    judged = _judged(filter, payload)
    reasons: list[Reason] = []
    if judged.problem is None:
        with suppress(_Unjudged, RecursionError):  # what the answer does not depend on may be too much: then these reasons must do
            _Walk(reasons).holds(filter, payload, (), ())
    return msgspec.structs.replace(judged, reasons=tuple(reasons))


def _judged(filter: Filter, payload: Any) -> Explanation:
    if payload is NOT_JSON:
        return Explanation(False, problem="the payload is not JSON")
    try:
        return Explanation(_Walk(None).holds(filter, payload, (), ()))
    except _Unjudged as error:
        return Explanation(False, problem=str(error))
    except RecursionError:
        return Explanation(False, problem="the payload is nested too deep")


class _Walk:
    """One look at one payload; with `reasons` it looks everywhere, and notes what it finds."""

    def __init__(self, reasons: list[Reason] | None, most: int = MAX_LOOKS) -> None:
        self._reasons, self.left = reasons, most

    def holds(self, wanted: Any, found: Any, path: Path, at: Place) -> bool:
        """Whether the condition `wanted`, which stands `at` in the filter, holds for what was found at `path`. Raises _Unjudged."""
        self._look(LOOKS_PER_CONDITION)
        if isinstance(wanted, dict):
            return self._every(self._members(wanted, found, path, at))
        if not isinstance(wanted, list):
            return self._compare("$eq", wanted, found, path, at)
        if not isinstance(found, list):
            return self._note(path, at, wanted, found, holds=False)
        return self._every(self.holds(one, found, path, (*at, str(n))) for n, one in enumerate(wanted))

    def _members(self, wanted: dict[str, Any], found: Any, path: Path, at: Place) -> Iterator[bool]:
        fields = {}
        for name, one in wanted.items():
            if name.startswith("$"):
                yield self._operator(name, one, found, path, (*at, name))
            else:
                fields[name] = one
        if fields and isinstance(found, list):
            yield self._item(fields, found, path, at)
        elif fields:
            yield self._fields(fields, found, path, at)

    def _operator(self, name: str, wanted: Any, found: Any, path: Path, at: Place) -> bool:
        if name == "$not":
            return not self.holds(wanted, found, path, at)
        if name in ("$and", "$or"):
            joined = self._every if name == "$and" else self._some
            return joined(self.holds(one, found, path, (*at, str(n))) for n, one in enumerate(wanted))
        if name == "$exist":
            return self._note(path, at, wanted, found, holds=(found is not ABSENT) == wanted)
        return self._compare(name, wanted, found, path, at)

    def _fields(self, fields: dict[str, Any], found: Any, path: Path, at: Place) -> bool:
        of = found if isinstance(found, dict) else {}
        return self._every(self.holds(one, of.get(name, ABSENT), (*path, name), (*at, name)) for name, one in fields.items())

    def _item(self, fields: dict[str, Any], found: list[Any], path: Path, at: Place) -> bool:
        """Whether one of the items has these fields; the reasons are those of the first that has."""
        reasons, self._reasons = self._reasons, None
        fitting = next((n for n, item in enumerate(found) if self.holds(fields, item, path, at)), None)
        self._reasons = reasons
        if fitting is None or reasons is None:
            return self._note(path, at, fields, found, holds=fitting is not None)
        return self.holds(fields, found[fitting], (*path, fitting), at)

    def _compare(self, name: str, wanted: Any, found: Any, path: Path, at: Place) -> bool:
        if name not in COMPARISONS:
            raise _Unjudged(f"the filter has an operator that this release does not know: {name[:MAX_SHOWN]}")
        test, opposite = COMPARISONS[name]
        if test is _among and isinstance(wanted, str) and isinstance(found, list):
            wanted = [wanted]
        self._look(_effort(wanted, found))
        holds = test(found, wanted) or (isinstance(found, list) and any(test(item, wanted) for item in found))
        return self._note(path, at, wanted, found, holds=holds != opposite)

    def _every(self, results: Iterable[bool]) -> bool:
        return all(results if self._reasons is None else list(results))

    def _some(self, results: Iterable[bool]) -> bool:
        return any(results if self._reasons is None else list(results))

    def _look(self, values: int) -> None:
        if values > self.left:
            raise _TooMuch(f"the payload has more than {MAX_LOOKS} values for this filter to look at")
        self.left -= values

    def _note(self, path: Path, at: Place, wanted: Any, found: Any, *, holds: bool) -> bool:
        if self._reasons is not None and len(self._reasons) < MAX_REASONS:
            self._reasons.append(Reason(_shown_path(path), ".".join(at), _shown(wanted), _shown_found(found), holds))
        return holds


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and found.keys() == wanted.keys() and all(_same(found[name], one) for name, one in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_same, found, wanted))
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _among(found: Any, wanted: Any) -> bool:
    """One of a list; or, in a text, a part of it."""
    if isinstance(wanted, str):
        return isinstance(found, str) and wanted in found
    return any(_same(found, one) for one in wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Of two texts, by code points, or of two numbers; nothing else is ordered."""

    def test(found: Any, wanted: Any) -> bool:
        comparable = (isinstance(found, str) and isinstance(wanted, str)) or (_is_number(found) and _is_number(wanted))
        return comparable and compare(found, wanted)

    return test


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


COMPARISONS: dict[str, tuple[Callable[[Any, Any], bool], bool]] = {
    "$eq": (_same, False),
    "$neq": (_same, True),
    "$in": (_among, False),
    "$nin": (_among, True),
    "$gt": (_ordered(lambda found, wanted: bool(found > wanted)), False),
    "$gte": (_ordered(lambda found, wanted: bool(found >= wanted)), False),
    "$lt": (_ordered(lambda found, wanted: bool(found < wanted)), False),
    "$lte": (_ordered(lambda found, wanted: bool(found <= wanted)), False),
    "$startsWith": (lambda found, wanted: isinstance(found, str) and found.startswith(wanted), False),
    "$endsWith": (lambda found, wanted: isinstance(found, str) and found.endswith(wanted), False),
}
"""What holds between what was found and what was wanted, and whether the operator says the opposite."""


def _effort(wanted: Any, found: Any) -> int:
    """How many values a comparison looks at, at most."""
    if isinstance(found, str):
        return _size(wanted) + len(found) // _CHARACTERS_PER_LOOK
    return _size(wanted) * (1 + len(found) if isinstance(found, list) else 1)


def _size(value: Any) -> int:
    """How many values there are in a JSON value, itself included."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _shown_path(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _shown_found(found: Any) -> str:
    if found is ABSENT:
        return "nothing"
    if isinstance(found, dict):
        return f"an object of {len(found)} fields"
    return f"a list of {len(found)} items" if isinstance(found, list) else _shown(found)


def _shown(value: Any) -> str:
    """As JSON, in UTF-8 whatever it is: a lone surrogate, which JSON can spell, is shown as its escape."""
    short = value[: MAX_SHOWN + 1] if isinstance(value, str) else value
    text = json.dumps(short, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)
