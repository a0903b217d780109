"""Content filters judge as another evaluator does, which is written from the document and not from the code."""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwright.domain.filter_rules import check_filter
from hookwright.domain.filters import explain, matches, read_payload

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # strategies in strategies are long to name
Predicate = Callable[[Any], bool]
NOTHING = object()

NAMES = st.sampled_from(["a", "b", "c"])
PRIMITIVES = st.sampled_from([None, True, False, 0, 1, 1.0, 2, 2.5, -1, 10**18, "", "a", "ab", "b", "1", "é"])
PAYLOADS = st.recursive(
    PRIMITIVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)  # fmt: skip
ITEMS = st.lists(st.fixed_dictionaries({"a": PRIMITIVES, "b": PRIMITIVES}), min_size=1, max_size=3)
OBJECTS = st.dictionaries(NAMES, PAYLOADS | ITEMS, max_size=3)
TEXTS = st.sampled_from(["a", "ab", "b", "1"])
COMPARISONS = st.one_of(
    st.fixed_dictionaries({}, optional={"$eq": PAYLOADS, "$neq": PAYLOADS, "$exist": st.booleans()}),
    st.fixed_dictionaries(
        {},
        optional={"$in": st.lists(PAYLOADS, min_size=1, max_size=3) | TEXTS, "$nin": st.lists(PRIMITIVES, min_size=1, max_size=3) | TEXTS},
    ),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), st.sampled_from([0, 1, 1.5, "a", "b", -1]))),
    st.fixed_dictionaries({}, optional={"$startsWith": TEXTS, "$endsWith": TEXTS}),
).filter(bool)


def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    operators = st.fixed_dictionaries({}, optional={"$and": some, "$or": some, "$not": inner})
    fields = st.dictionaries(NAMES, inner, min_size=1, max_size=2)
    return some | operators.filter(bool) | fields | st.builds(lambda left, right: left | right, operators, fields)


CONDITIONS = st.recursive(PRIMITIVES | COMPARISONS, joined, max_leaves=8)
FILTERS = CONDITIONS.filter(lambda condition: isinstance(condition, dict))


@st.composite
def about(draw: st.DrawFn, value: Any) -> Any:
    """A condition that has something to do with this value, so that it may well hold or just not."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(sorted(value)), min_size=1, max_size=2, unique=True))
        return {name: draw(about(value[name])) for name in names}
    if isinstance(value, list) and value and draw(st.booleans()):
        some = [draw(about(item)) for item in draw(st.lists(st.sampled_from(value), min_size=1, max_size=2))]
        if all(isinstance(one, dict) for one in some) and draw(st.booleans()):
            return {name: wanted for one in some for name, wanted in one.items()}
        return draw(st.sampled_from([some, some[0]]))
    near = st.just(value) | PRIMITIVES
    how = draw(st.sampled_from(["as it is", "$eq", "$neq", "$in", "$nin", "$exist", "$not", "$or", "$and", "compared"]))
    if how == "compared":
        return draw(COMPARISONS)
    if how in ("$in", "$nin", "$or", "$and"):
        each = near.filter(comparable) if how in ("$or", "$and") else near
        return {how: draw(st.lists(each, min_size=1, max_size=2))}
    if how in ("$eq", "$neq"):
        return {how: draw(near)}
    if how == "$exist":
        return {how: draw(st.booleans())}
    return {how: draw(near.filter(comparable))} if how == "$not" else draw(PRIMITIVES if not comparable(value) else near.filter(comparable))


def comparable(value: Any) -> bool:
    """Whether it is a condition as it stands: no list and no object."""
    return not isinstance(value, list | dict)


def canonical(value: Any) -> Any:
    """What is equal if the JSON values are."""
    if value is None or isinstance(value, bool | str) or value is NOTHING:
        return type(value).__name__, value
    if isinstance(value, int | float):
        return "number", Fraction(value)
    if isinstance(value, list):
        return "list", tuple(map(canonical, value))
    return "object", frozenset((name, canonical(one)) for name, one in value.items())


def itself_or_an_item(holds: Predicate) -> Predicate:
    return lambda value: holds(value) or (isinstance(value, list) and any(map(holds, value)))


def leaves(value: Any) -> Iterator[Any]:
    """The value, or if it is a list all that is in it, in lists of it too."""
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def equal(wanted: Any) -> Predicate:
    return itself_or_an_item(lambda value: canonical(value) == canonical(wanted))


def among(wanted: Any) -> Predicate:
    if isinstance(wanted, str):
        return lambda value: wanted in value if isinstance(value, list | str) else False
    return lambda value: any(equal(one)(value) for one in wanted)


def compared(holds: Callable[[Any], Callable[[Any], bool]]) -> Callable[[Any], Predicate]:
    def of(wanted: Any) -> Predicate:
        kinds = (str,) if isinstance(wanted, str) else (int, float)
        return itself_or_an_item(lambda value: type(value) in kinds and holds(wanted)(value))

    return of


def opposite(of: Callable[[Any], Predicate]) -> Callable[[Any], Predicate]:
    return lambda wanted: lambda value: not of(wanted)(value)


def operator(name: str, wanted: Any) -> Predicate:
    simple: dict[str, Callable[[Any], Predicate]] = {
        "$eq": equal,
        "$neq": opposite(equal),
        "$in": among,
        "$nin": opposite(among),
        "$gt": compared(lambda wanted: lambda value: value > wanted),
        "$gte": compared(lambda wanted: lambda value: value >= wanted),
        "$lt": compared(lambda wanted: lambda value: value < wanted),
        "$lte": compared(lambda wanted: lambda value: value <= wanted),
        "$startsWith": compared(lambda wanted: lambda value: value[: len(wanted)] == wanted),
        "$endsWith": compared(lambda wanted: lambda value: value[-len(wanted) :] == wanted),
        "$exist": lambda wanted: lambda value: (value is not NOTHING) is wanted,
        "$not": opposite(predicate),
        "$and": lambda wanted: lambda value: all(predicate(one)(value) for one in wanted),
        "$or": lambda wanted: lambda value: any(predicate(one)(value) for one in wanted),
    }
    return simple[name](wanted)


def predicate(condition: Any) -> Predicate:
    if isinstance(condition, list):
        return lambda value: isinstance(value, list) and all(predicate(one)(value) for one in condition)
    if not isinstance(condition, dict):
        return equal(condition)
    own = [operator(name, wanted) for name, wanted in condition.items() if name.startswith("$")]
    fields = {name: predicate(wanted) for name, wanted in condition.items() if not name.startswith("$")}

    def has_fields(value: Any) -> bool:
        of = value if isinstance(value, dict) else {}
        return all(holds(of.get(name, NOTHING)) for name, holds in fields.items())

    return lambda value: all(holds(value) for holds in own) and (not fields or any(map(has_fields, leaves(value))))


def stored(value: Any) -> Any:
    """As it comes back from where it is kept."""
    return msgspec.json.decode(msgspec.json.encode(value))


@given(FILTERS, OBJECTS | PAYLOADS)
def test_a_filter_judges_as_the_document_says(filter: dict[str, Any], payload: Any) -> None:
    assert check_filter(filter) == []
    assert matches(stored(filter), read_payload(json.dumps(payload).encode())) is predicate(filter)(payload)


@settings(max_examples=500)
@given(st.data(), OBJECTS)
def test_a_filter_that_is_about_the_payload_judges_as_the_document_says(data: st.DataObject, payload: dict[str, Any]) -> None:
    filter = data.draw(about(payload).filter(lambda condition: isinstance(condition, dict)))
    assert check_filter(filter) == []
    assert matches(stored(filter), read_payload(json.dumps(payload).encode())) is predicate(filter)(payload)
    assert explain(filter, payload).matches is predicate(filter)(payload)


@given(FILTERS, OBJECTS)
def test_an_explanation_answers_as_the_filter_does(filter: dict[str, Any], payload: dict[str, Any]) -> None:
    explained = explain(filter, payload)
    assert explained.problem is None
    assert explained.matches is matches(filter, payload)
    assert explained.reasons


@given(st.dictionaries(NAMES, PRIMITIVES | COMPARISONS, min_size=1), st.dictionaries(NAMES, PRIMITIVES))
def test_a_plain_filter_matches_when_every_reason_holds(filter: dict[str, Any], payload: dict[str, Any]) -> None:
    explained = explain(filter, payload)
    assert explained.matches is all(reason.holds for reason in explained.reasons)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["$or", "$in", "$not", "$eq", "$exist"]), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text() | st.sampled_from(["$or", "$in", "$gt", "$not", "$eq"]), JSON), JSON)
def test_whatever_is_not_refused_is_kept_and_judged(filter: dict[str, Any], payload: Any) -> None:
    if not check_filter(filter):
        assert explain(stored(filter), payload).matches is matches(filter, payload)
