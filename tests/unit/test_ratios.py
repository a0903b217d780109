"""What a comparison concludes, from planted rounds: noise that is known, with and without a difference in it."""

import random

import pytest

from bench.ratios import CONFIDENCE, FEWEST, coverage, outside, ratio


def _rounds(count: int, difference: float, seed: int, noise: float = 0.02) -> list[tuple[float, float]]:
    """Each round is slow or fast by up to half, for both; what is left between its sides is `noise`."""
    rand = random.Random(seed)
    rounds = []
    for _ in range(count):
        machine = rand.uniform(0.75, 1.5)
        rounds.append((250 * machine * rand.gauss(1, noise), 250 * machine * rand.gauss(1, noise) * difference))
    return rounds


@pytest.mark.parametrize("seed", range(20))
def test_ten_per_cent_are_found_in_noise_of_two(seed: int) -> None:
    got = ratio(_rounds(12, 1.10, seed))
    assert got.direction == 1
    assert 1.05 < got.median < 1.15


@pytest.mark.parametrize("seed", range(20))
def test_ten_per_cent_less_are_found_too(seed: int) -> None:
    assert ratio(_rounds(12, 0.90, seed)).direction == -1


def test_without_a_difference_next_to_none_is_shown() -> None:
    shown = sum(ratio(_rounds(12, 1.0, seed)).direction != 0 for seed in range(1000))
    assert shown <= 1000 * (1 - CONFIDENCE) * 2  # the seeds are fixed: this is the same every time


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = sum((got := ratio(_rounds(12, 1.02, seed))).low <= 1.02 <= got.high for seed in range(1000))
    assert held >= 1000 * coverage(12, outside(12)) - 10


def test_one_wild_round_of_twelve_changes_no_verdict() -> None:
    rounds = _rounds(12, 0.90, 1, noise=0.005)
    rounds[5] = (100.0, 1000.0)
    assert ratio(rounds).direction == -1


def test_too_few_rounds_claim_nothing() -> None:
    assert ratio([(1.0, 2.0)] * (FEWEST - 1)).direction == 0
    assert ratio([(1.0, 2.0)] * FEWEST).direction == 1


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="no rounds"):
        ratio([])


def test_eight_of_eight_on_one_side_is_two_throws_in_256() -> None:
    assert coverage(8, 0) == pytest.approx(1 - 2 / 256)
    assert (outside(8), outside(12)) == (0, 1)
