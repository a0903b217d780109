"""What the torture of ordered endpoints says of arrivals that are not in order."""

from tests.torture.ordered import Kill, against, count_kills, differing, in_order, not_taken
from tests.torture.receiver import Arrival
from tests.torture.verdict import Plan
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


def test_two_endpoints_that_got_messages_in_two_orders_are_found() -> None:
    assert differing([1, 2, 3, 4], [1, 2, 3, 4]) == differing([1, 2, 3, 4], [2, 4]) == 0
    assert differing([1, 2, 3, 4], [4, 2]) == 2
    assert differing([1, 2, 3], [1, 2, 3, 4]) == 1


def test_kills_that_hit_nothing_show_nothing() -> None:
    def holds(*kills: Kill) -> list[bool]:
        return [check.holds for check in count_kills(list(kills), Plan(seed=0, messages=9, rate=1, times=3))]

    hit, idle, gone = Kill("one", 1, 1, held=4, ran=True), Kill("one", 1, 1, held=0, ran=True), Kill("one", 1, 1, held=0, ran=False)
    assert holds(hit, hit, idle) == [True, True]
    assert holds(hit, idle, idle) == [True, False]
    assert holds(hit, hit, gone) == holds(hit, hit) == [False, True]
    assert holds() == [False, False]
