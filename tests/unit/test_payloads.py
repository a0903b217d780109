import pytest

from hookwright.domain.payloads import nesting, problem


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b"{}", 1),
        (b'{"a": [1, {"b": 2}]}', 3),
        (b'{"a": [], "b": [], "c": {}}', 2),
        (b'{"a": "[[[[{{{{"}', 1),
        (b'{"a": "\\"[[[["}', 1),
        (b'{"a": "\\\\", "b": [1]}', 2),
        (b'{"[[[": {"]]]": 1}}', 2),
        (b'{"a": "\n[[["}', 1),
    ],
)
def test_nesting_counts_brackets_and_not_those_in_strings(body: bytes, depth: int) -> None:
    assert nesting(body) == depth


def test_an_object_is_kept_as_it_is() -> None:
    assert problem(b'{ "a" :  1.0 }', 64) is None


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b""])
def test_what_is_no_object_is_refused_with_the_way_to_send_it(body: bytes) -> None:
    assert "rawPayload" in str(problem(body, 64))


def test_bytes_that_are_no_utf_8_are_refused_with_their_place() -> None:
    assert problem(b'{"a": "\xff"}', 64) == "is not UTF-8 at byte 7"


def test_the_deepest_that_is_accepted_is_accepted_and_one_more_is_not() -> None:
    assert problem(b'{"a":' * 63 + b"[]" + b"}" * 63, 64) is None
    assert problem(b'{"a":' * 64 + b"[]" + b"}" * 64, 64) == "is nested 65 levels deep; at most 64 are accepted"


def test_many_shallow_brackets_are_accepted() -> None:
    assert problem(b'{"a": [' + b"[]," * 1000 + b"[]]}", 64) is None


def test_a_large_string_full_of_escapes_is_read_in_linear_time() -> None:
    assert nesting(b'{"a": "' + b"\\\\" * 500_000 + b'", "b": [1]}') == 2
