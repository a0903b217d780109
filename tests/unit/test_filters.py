import msgspec
import pytest

from hookwright.domain.endpoints import Endpoint, wants
from hookwright.domain.messages import fan_out

EVERYTHING = Endpoint(id="ep", application="app", organization="org", url="https://example.com/", created_at=1, updated_at=1)


def endpoint(*, types: set[str] | None = None, channels: set[str] | None = None) -> Endpoint:
    return msgspec.structs.replace(
        EVERYTHING,
        event_types=None if types is None else frozenset(types),
        channels=None if channels is None else frozenset(channels),
    )


@pytest.mark.parametrize(
    ("types", "channels", "of_message", "expected"),
    [
        (None, None, None, True),
        (None, None, {"x"}, True),
        ({"a.b"}, None, None, True),
        ({"a.b", "c"}, None, None, True),
        ({"c"}, None, None, False),
        ({"a"}, None, None, False),
        (set(), None, None, False),
        (None, {"x"}, {"x", "y"}, True),
        (None, {"x", "z"}, {"y", "z"}, True),
        (None, {"x"}, {"y"}, False),
        (None, {"x"}, None, False),
        ({"a.b"}, {"x"}, {"x"}, True),
        ({"c"}, {"x"}, {"x"}, False),
    ],
)
def test_an_endpoint_takes_its_types_and_its_channels(
    types: set[str] | None, channels: set[str] | None, of_message: set[str] | None, expected: bool
) -> None:
    of = None if of_message is None else frozenset(of_message)
    assert wants(endpoint(types=types, channels=channels), "a.b", of) is expected


def test_a_disabled_endpoint_still_wants_its_messages() -> None:
    assert wants(msgspec.structs.replace(EVERYTHING, disabled_reason="manual"), "a.b", None)


def test_a_message_goes_to_every_endpoint_that_wants_it_in_their_order() -> None:
    one, two, three = endpoint(types={"a"}), endpoint(types={"b"}), endpoint()
    assert fan_out("a", None, [one, two, three]) == [one, three]


def test_an_empty_list_of_channels_is_none_at_all() -> None:
    assert fan_out("a", (), [endpoint(channels={"x"}), endpoint()]) == [endpoint()]
