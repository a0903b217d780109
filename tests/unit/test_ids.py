import pytest

from hookwright import ids

NOW = 1_750_000_000_000


def zeros(size: int) -> bytes:
    return bytes(size)


def ones(size: int) -> bytes:
    return b"\xff" * size


def test_an_id_is_its_prefix_and_27_base_62_characters() -> None:
    prefix, _, tail = ids.Minter(ones).mint("msg", NOW).partition("_")
    assert (prefix, len(tail), tail.isalnum(), tail.isascii()) == ("msg", 27, True, True)


def test_zero_is_27_zeros_and_the_largest_number_has_its_known_digits() -> None:
    assert ids.encode(0) == "0" * 27
    assert ids.encode(2**160 - 1) == "aWgEPTl1tmebfsQzFP4bxwgy80V"  # the largest KSUID


def test_a_known_ksuid_decodes_to_its_published_parts() -> None:
    """The example of the segmentio/ksuid README: 0ujtsYcgvSTl8PAuAdqWYSMnLOv."""
    value = ids.decode("0ujtsYcgvSTl8PAuAdqWYSMnLOv")
    assert value >> 128 == 107608047
    assert value & (2**128 - 1) == 0xB5A1CD34B5F99D1154FB6853345C9735


@pytest.mark.parametrize("text", ["", "0" * 26, "0" * 28, "0" * 26 + "-", "0" * 26 + "é", "z" * 27, "aWgEPTl1tmebfsQzFP4bxwgy80W"])
def test_what_is_no_id_does_not_decode(text: str) -> None:
    with pytest.raises(ValueError, match=r"27 characters|base-62|160 bits"):
        ids.decode(text)


@pytest.mark.parametrize(
    ("ident", "expected"),
    [
        ("msg_" + "0" * 27, True),
        ("ep_" + "0" * 27, False),
        ("msg" + "0" * 27, False),
        ("msg_", False),
        ("", False),
        ("msg__" + "0" * 26, False),
    ],
)
def test_an_id_is_known_by_its_prefix_and_its_form(ident: str, expected: bool) -> None:
    assert ids.is_id(ident, "msg") is expected


def test_an_id_tells_when_it_was_made_to_4_milliseconds() -> None:
    for at in range(NOW, NOW + 1000, 7):
        assert ids.created_at(ids.Minter(ones).mint("msg", at)) == at - at % 4


def test_the_time_that_is_told_with_an_id_is_the_one_that_it_carries() -> None:
    minter = ids.Minter(ones)
    for at in (NOW, NOW + 3, NOW - 60_000, NOW + 1001):
        ident, carried = minter.mint_timed("msg", at)
        assert carried == ids.created_at(ident)


def test_ids_grow_when_the_clock_stands_still() -> None:
    minter = ids.Minter(zeros)
    made = [minter.mint("msg", NOW) for _ in range(100)]
    assert made == sorted(set(made))


def test_ids_grow_when_the_clock_steps_back() -> None:
    minter = ids.Minter(ones)
    made = [minter.mint("msg", NOW - step * 100) for step in range(100)]
    assert made == sorted(set(made))


def test_ids_follow_the_clock_again_when_it_was_wrong_by_more_than_they_may_run_ahead() -> None:
    minter = ids.Minter(zeros)
    minter.mint("msg", NOW + 24 * 3_600_000)
    made = [minter.mint_timed("msg", NOW + step) for step in range(0, 100, 4)]
    assert [carried for _, carried in made] == list(range(NOW, NOW + 100, 4))
    assert [ident for ident, _ in made] == sorted(ident for ident, _ in made)


def test_ids_of_one_step_stay_within_it() -> None:
    minter = ids.Minter(ones)
    assert {ids.created_at(minter.mint("msg", NOW)) for _ in range(10_000)} == {NOW}


def test_the_floor_of_a_time_is_below_every_id_of_it_and_above_every_id_before() -> None:
    before, after = ids.Minter(ones).mint("msg", NOW - 4), ids.Minter(zeros).mint("msg", NOW)
    assert before < f"msg_{ids.floor(NOW)}" <= after


@pytest.mark.parametrize("at", [-1, 0, 1_399_999_999_999])
def test_a_time_before_the_first_second_is_the_first_step_of_it(at: int) -> None:
    assert ids.floor(at)[:5] == "00000"


def test_a_time_after_the_last_second_is_not_larger_than_an_id() -> None:
    assert len(ids.floor(10**15)) == 27
