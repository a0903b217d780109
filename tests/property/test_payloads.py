import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookwright.domain.payloads import nesting, problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_nesting_is_what_the_parsed_value_says(value: Any, ascii_only: bool, indent: int | None) -> None:
    assert nesting(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == depth(value)


@given(st.dictionaries(st.text(), VALUES), st.integers(min_value=1, max_value=8))
def test_an_object_is_refused_exactly_when_it_is_too_deep(value: dict[str, Any], most: int) -> None:
    assert (problem(json.dumps(value).encode(), most) is None) == (depth(value) <= most)
