"""What the torture of ordered endpoints says of arrivals that are not in order."""

from tests.torture.ordered import against, in_order, not_taken
from tests.torture.receiver import Arrival
from tests.torture.world import Acknowledged


def arrived(*arrivals: tuple[int, int]) -> list[tuple[int, Arrival]]:
    """Messages, each with the status that it was answered with."""
    return [(number, Arrival("msg", at, status, written=True)) for at, (number, status) in enumerate(arrivals)]


def test_a_message_that_comes_again_after_another_is_an_inversion() -> None:
    assert in_order([1, 1, 2, 3, 3]) == ([1, 2, 3], 0)
    assert in_order([1, 2, 1, 3, 2]) == ([1, 2, 3], 2)


def test_a_message_that_comes_before_the_one_before_it_was_taken_is_a_gap() -> None:
    assert not_taken(arrived((1, 500), (1, 200), (1, 200), (2, 200))) == 0
    assert not_taken(arrived((1, 500), (2, 200), (3, 0), (4, 200))) == 2


def test_a_message_that_nobody_answered_for_is_a_gap_when_the_sender_was_gone() -> None:
    first = (1, Arrival("msg", 0, 200, written=False))
    assert not_taken([first, *arrived((2, 200))]) == 1


def test_a_message_that_comes_before_one_that_was_acknowledged_earlier_is_against_the_order() -> None:
    ledger = {1: Acknowledged("a", 0, 1, asked=0), 2: Acknowledged("b", 2, 3, asked=2), 3: Acknowledged("c", 2.5, 3.5, asked=2.5)}
    assert against([1, 2, 3], ledger) == against([1, 3, 2], ledger) == 0
    assert against([2, 1, 3], ledger) == 1
    assert against([3, 2, 1], ledger) == 2
