from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hookwright import ids

TIMES = st.integers(min_value=1_400_000_000_000, max_value=1_400_000_000_000 + (2**32 - 1) * 1000)
NUMBERS = st.integers(min_value=0, max_value=2**160 - 1)


@given(NUMBERS)
def test_what_is_encoded_decodes_to_itself(number: int) -> None:
    assert ids.decode(ids.encode(number)) == number


@given(NUMBERS, NUMBERS)
def test_text_sorts_as_the_numbers_do(one: int, two: int) -> None:
    assert (ids.encode(one) < ids.encode(two)) == (one < two)


@given(st.text(max_size=40))
def test_any_text_decodes_or_is_refused(text: str) -> None:
    with suppress(ValueError):
        assert ids.encode(ids.decode(text)) == text


@given(TIMES, st.lists(st.integers(-10_000, 0), min_size=2, max_size=50), st.randoms(use_true_random=False))
def test_ids_only_grow_while_the_clock_steps_back_by_no_more_than_they_may_run_ahead(at: int, steps: list[int], random: object) -> None:
    minter = ids.Minter(random.randbytes)  # type: ignore[attr-defined]
    made = [minter.mint("msg", at + step) for step in steps]
    assert all(one < two for one, two in pairwise(made))


@given(st.lists(TIMES, min_size=1, max_size=50), st.randoms(use_true_random=True))
def test_ids_are_never_far_from_the_clock_and_never_the_same(times: list[int], random: object) -> None:
    minter = ids.Minter(random.randbytes)  # type: ignore[attr-defined]
    made = [(at, *minter.mint_timed("msg", at)) for at in times]
    assert all(-4 < carried - at <= ids.FURTHEST_AHEAD * 1000 for at, _, carried in made)
    assert len({ident for _, ident, _ in made}) == len(made)


@given(TIMES, TIMES, st.randoms(use_true_random=False))
def test_a_range_by_floors_holds_exactly_what_was_made_in_it(at: int, bound: int, random: object) -> None:
    ident = ids.Minter(random.randbytes).mint("msg", at)  # type: ignore[attr-defined]
    assert (ident >= f"msg_{ids.floor(bound)}") == (at // 1000 * 250 + at % 1000 // 4 >= bound // 1000 * 250 + bound % 1000 // 4)
