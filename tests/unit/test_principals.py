"""Verified callers in memory: bounded in number and in bytes, and gone when their credential is."""

from hookwright.domain.credentials import Principal
from hookwright.engine.principals import Principals, mark_of


def principal(number: int = 1, *, flags: int = 0) -> Principal:
    return Principal(organization="org_1", credential=f"key_{number}", feature_flags=frozenset(f"flag {each}" for each in range(flags)))


def test_a_principal_is_found_under_its_own_token_only() -> None:
    memory = Principals()
    memory.put(mark_of("token"), principal())
    assert memory.get(mark_of("token")) == principal()
    assert memory.get(mark_of("Token")) is None


def test_the_oldest_goes_when_there_are_too_many() -> None:
    memory = Principals(most=2)
    for number in (1, 2, 3):
        memory.put(mark_of(str(number)), principal(number))
    assert [memory.get(mark_of(str(number))) is not None for number in (1, 2, 3)] == [False, True, True]


def test_the_oldest_go_when_those_that_came_are_large() -> None:
    memory = Principals(most_bytes=100_000)
    for number in range(50):
        memory.put(mark_of(str(number)), principal(number))
    memory.put(mark_of("large"), principal(flags=600))
    assert memory.get(mark_of("0")) is None
    assert memory.get(mark_of("49")) is not None
    assert memory.get(mark_of("large")) is not None


def test_what_is_dropped_or_put_again_leaves_its_room_to_others() -> None:
    memory = Principals(most_bytes=200_000)
    memory.put(mark_of("small"), principal())
    for _ in range(10):
        memory.put(mark_of("again"), principal(flags=400))
    for number in range(10):
        memory.put(mark_of(f"dropped {number}"), principal(flags=400))
        memory.drop(mark_of(f"dropped {number}"))
    assert memory.get(mark_of("small")) is not None


def test_a_credential_takes_all_that_it_proved_with_it() -> None:
    memory = Principals()
    for text, number in (("a", 1), ("b", 1), ("c", 2)):
        memory.put(mark_of(text), principal(number))
    memory.drop_credential("key_1")
    assert [memory.get(mark_of(text)) is not None for text in "abc"] == [False, False, True]
