from collections import Counter

from hookwright.domain.deliveries import Delivery, Key
from hookwright.domain.messages import Content
from hookwright.engine.jobs import Job
from hookwright.engine.lanes import FIRST_SLOTS, QUEUED_PER_SLOT, SLOW_SECONDS, Lane, Turns


def lane(endpoint: str, organization: str = "org") -> Lane:
    made = Lane(endpoint)
    made.organization = organization
    return made


def served(turns: Turns, count: int) -> list[str]:
    """The lanes that are served when each joins again at once, as one with much work does."""
    order = []
    for _ in range(count):
        taken = turns.next()
        assert taken is not None
        order.append(taken.endpoint)
        turns.join(taken)
    return order


def test_lanes_of_one_organization_are_served_in_turn() -> None:
    turns = Turns()
    for name in "abc":
        turns.join(lane(name))
    assert served(turns, 7) == list("abcabca")


def test_an_organization_with_many_lanes_gets_no_more_turns_than_one_with_a_single_lane() -> None:
    turns = Turns()
    for number in range(50):
        turns.join(lane(f"big{number}", "big"))
    turns.join(lane("small", "small"))
    counts = Counter(name.rstrip("0123456789") for name in served(turns, 100))
    assert counts == {"big": 50, "small": 50}


def test_within_its_organization_every_lane_gets_its_turn() -> None:
    turns = Turns()
    for name in ("a1", "a2", "a3"):
        turns.join(lane(name, "a"))
    turns.join(lane("b1", "b"))
    assert Counter(served(turns, 12)) == {"a1": 2, "a2": 2, "a3": 2, "b1": 6}


def test_a_newcomer_is_served_within_one_round() -> None:
    turns = Turns()
    for number in range(10):
        turns.join(lane(f"org{number}", f"org{number}"))
    served(turns, 25)
    turns.join(lane("new", "new"))
    assert "new" in served(turns, 11)


def test_a_lane_that_joins_twice_has_one_place() -> None:
    turns, one = Turns(), lane("a")
    turns.join(one)
    turns.join(one)
    assert turns.next() is one
    assert turns.next() is None


def test_an_organization_without_lanes_is_forgotten() -> None:
    turns, one = Turns(), lane("a")
    for _ in range(2):
        turns.join(one)
        assert turns.next() is one
        assert turns.next() is None


def test_a_lane_is_idle_when_nothing_is_here_and_nothing_awaited() -> None:
    made = lane("a")
    assert made.idle
    for field, value in (("in_flight", 1), ("more", True), ("claiming", True), ("due_at", 0)):
        busy = lane("a")
        setattr(busy, field, value)
        assert not busy.idle, field


def test_a_lane_begins_with_few_slots_and_earns_one_with_each_quick_answer() -> None:
    made = Lane("a", 64)
    assert made.slots == FIRST_SLOTS
    for _ in range(100):
        made.learn(0.1)
    assert made.slots == 64


def test_each_slow_attempt_halves_the_slots_and_one_always_stays() -> None:
    made = Lane("a", 64)
    slots = []
    for _ in range(5):
        made.learn(SLOW_SECONDS)
        slots.append(made.slots)
    assert slots == [4, 2, 1, 1, 1]


def test_a_lane_never_has_more_slots_than_it_may() -> None:
    made = Lane("a", 2)
    made.learn(0.1)
    assert made.slots == 2


def test_an_ordered_lane_has_one_slot_however_quick_its_answers_are_and_queues_some() -> None:
    made = Lane("a", 64)
    made.set_ordered(True, 64)
    made.learn(0.1)
    assert (made.slots, made.depth) == (1, QUEUED_PER_SLOT)
    made.set_ordered(False, 64)
    assert made.slots == FIRST_SLOTS


def test_a_lane_may_queue_in_proportion_to_its_slots_and_next_to_nothing_when_it_is_slow() -> None:
    made = Lane("a", 64)
    made.learn(0.1)
    assert made.depth == QUEUED_PER_SLOT * made.slots
    made.learn(SLOW_SECONDS)
    assert made.depth == made.slots == 4


def test_a_job_keeps_as_many_bytes_as_its_body_has() -> None:
    delivery = Delivery(key=Key("ep", "msg"), application="app", organization="org", due_at=1, created_at=1)
    assert Job(delivery, "a", None, Content(b"12345"), 9).size == 5
    assert Job(delivery, "a", None, None, 9).size == 0


def late_lane(name: str) -> Lane:
    made = lane(name)
    made.queue.append(job(late=True))
    return made


def job(*, late: bool) -> Job:
    key = Key("ep", "msg")
    delivery = Delivery(key=key, application="app", organization="org", due_at=0, created_at=0)
    return Job(delivery, "a", None, None, 0, late=late)


def test_fresh_messages_get_every_other_turn_beside_any_number_of_endpoints_with_a_backlog() -> None:
    turns = Turns()
    for number in range(1000):
        turns.join(late_lane(f"late{number}"))
    turns.join(lane("fresh"))
    order = served(turns, 10)
    assert order.count("fresh") == 5
    assert "fresh" in order[:2]


def test_without_late_turns_only_fresh_messages_are_served() -> None:
    turns = Turns()
    waiting, fresh = late_lane("late"), lane("fresh")
    turns.join(waiting)
    assert turns.next(late=False) is None
    turns.join(fresh)
    assert turns.next(late=False) is fresh
    assert turns.next() is waiting


def test_an_organization_that_is_not_to_be_served_keeps_its_turn_and_nobody_else_waits() -> None:
    served_now = {"quiet"}
    turns = Turns(served_now.__contains__)
    noisy, quiet = lane("n", "noisy"), lane("q", "quiet")
    turns.join(noisy)
    assert turns.next() is None
    turns.join(quiet)
    assert turns.next() is quiet
    served_now.add("noisy")
    assert turns.next() is noisy
