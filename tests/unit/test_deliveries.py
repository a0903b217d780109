import pytest

from hookwright.domain.deliveries import FINAL, UNOWNED, Delivery, Fence, Key, State, Status, headline


def live(*, owner: int = UNOWNED, attempts: int = 0, due_at: int = 100) -> Delivery:
    return Delivery(
        key=Key("ep", "msg"), application="app", organization="org", due_at=due_at, owner=owner, attempts=attempts, created_at=1
    )


def test_the_states_have_the_numbers_of_the_wire() -> None:
    assert {state.name: state.value for state in State} == {"SUCCESS": 0, "PENDING": 1, "FAIL": 2, "SENDING": 3, "CANCELED": 4}


def test_success_fail_and_canceled_are_final() -> None:
    assert {State.SUCCESS, State.FAIL, State.CANCELED} == FINAL


def test_a_fence_names_the_owner_and_the_attempts_so_far() -> None:
    assert live(owner=3, attempts=2).fence == Fence(3, 2)


@pytest.mark.parametrize(
    ("outcomes", "rows", "expected"),
    [
        ([], [live()], Status(State.PENDING)),
        ([], [live(owner=1)], Status(State.SENDING)),
        ([], [live(attempts=1)], Status(State.PENDING, 100)),
        ([], [live(attempts=1, due_at=300), live(attempts=0, due_at=200)], Status(State.PENDING, 200)),
        ([State.SUCCESS], [live(attempts=1)], Status(State.SUCCESS)),
        ([State.FAIL, State.SUCCESS], [], Status(State.SUCCESS)),
        ([State.SUCCESS, State.FAIL], [], Status(State.SUCCESS)),
        ([State.FAIL], [live()], Status(State.PENDING)),
        ([State.CANCELED], [live(owner=1)], Status(State.SENDING)),
        ([State.FAIL], [], Status(State.FAIL)),
        ([State.CANCELED, State.FAIL], [], Status(State.FAIL)),
        ([State.CANCELED], [], Status(State.CANCELED)),
    ],
)
def test_a_success_wins_then_what_is_on_its_way_then_how_it_ended(outcomes: list[State], rows: list[Delivery], expected: Status) -> None:
    assert headline(outcomes, rows) == expected
