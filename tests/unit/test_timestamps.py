import pytest

from hookwright.api.timestamps import parse_time, rfc3339

AT = 1_767_225_600_000  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-01T00:00:00Z", AT),
        ("2026-01-01t00:00:00z", AT),
        ("2026-01-01T00:00:00.5Z", AT + 500),
        ("2026-01-01T00:00:00.123999Z", AT + 123),
        ("2026-01-01T02:00:00+02:00", AT),
        ("2025-12-31T19:00:00-05:00", AT),
        ("2026-01-01T02:00:00 02:00", AT),
        ("2026-01-01 00:00:00.123456789 UTC", AT + 123),
        ("2026-01-01 00:00:00 UTC", AT),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_a_time_is_read_in_every_spelling(text: str, at: int) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Z\n", "0001-01-01T00:00:00+02:00", "1767225600", "٢٠٢٦-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for example 2026-01-31T12:00:00Z"):
        parse_time(text)


def test_what_is_shown_can_be_read_again() -> None:
    assert rfc3339(AT + 7) == "2026-01-01T00:00:00.007Z"
    assert parse_time(rfc3339(AT + 7)) == AT + 7
