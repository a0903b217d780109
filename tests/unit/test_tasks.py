"""What a task takes, and how quickly: rules without a store."""

from typing import Any

import pytest

from hookwright.api.task_models import show_task
from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.tasks import (
    CREDIT_MS,
    MOST_AHEAD,
    Kind,
    Seen,
    Selection,
    Task,
    TaskState,
    goes_again,
    most_ahead,
    next_slice_at,
    slice_size,
)
from hookwright.ids import floor

ENDPOINT = Endpoint(id="ep_1", application="app_1", organization="org_1", url="https://a/", created_at=0, updated_at=0)
ALL = Selection(since=0, until=9)


def seen(**fields: Any) -> Seen:
    values: dict[str, Any] = {
        "message": "msg_1", "organization": "org_1", "event_type": "a.b", "channels": None, "created_at": 1, "state": State.FAIL,
        "live": False, "has_content": True,
    } | fields  # fmt: skip
    return Seen(**values)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", [None, State.SUCCESS, State.FAIL, State.CANCELED])
def test_what_lives_or_has_no_content_never_goes_again(kind: Kind, state: State | None) -> None:
    assert not goes_again(kind, ALL, ENDPOINT, seen(state=state, live=True))
    assert not goes_again(kind, ALL, ENDPOINT, seen(state=state, has_content=False))


@pytest.mark.parametrize(
    ("state", "kinds"),
    [(None, {Kind.MISSING}), (State.SUCCESS, {Kind.BULK, Kind.RECOVER}), (State.FAIL, {Kind.BULK, Kind.RECOVER})],
)
def test_only_what_is_missing_needs_no_round_before(state: State | None, kinds: set[Kind]) -> None:
    assert {kind for kind in Kind if goes_again(kind, ALL, ENDPOINT, seen(state=state))} == kinds


@pytest.mark.parametrize(("wanted", "taken"), [({"a"}, False), ({"a.b"}, True), ({"c", "a.b"}, True)])
def test_event_types_are_whole_names(wanted: set[str], taken: bool) -> None:
    selection = Selection(since=0, until=9, event_types=frozenset(wanted))
    assert goes_again(Kind.BULK, selection, ENDPOINT, seen()) is taken


@pytest.mark.parametrize(("channels", "taken"), [(None, False), (frozenset({"xx"}), False), (frozenset({"x", "y"}), True)])
def test_a_channel_is_one_of_the_messages(channels: frozenset[str] | None, taken: bool) -> None:
    assert goes_again(Kind.BULK, Selection(since=0, until=9, channel="x"), ENDPOINT, seen(channels=channels)) is taken


@pytest.mark.parametrize("rate", [1, 7, 50, 1000, 100_000])
def test_in_any_stretch_of_time_no_more_is_added_than_the_rate_and_one_slice_and_the_credit(rate: int) -> None:
    now = next_at = 1_000_000
    began, added = now, 0
    while now < began + 60_000:
        if next_at <= now:
            added += slice_size(rate)
            next_at = next_slice_at(next_at, now, slice_size(rate), rate)
        now += 333
    assert added <= rate * (60 + CREDIT_MS / 1000) + slice_size(rate)
    assert added >= rate * 58


def test_a_slice_in_which_nothing_was_added_costs_nothing() -> None:
    assert next_slice_at(5_000, 5_001, 0, 1) == 5_000


@pytest.mark.parametrize(("rate", "ahead"), [(1, 5), (50, 250), (100_000, MOST_AHEAD)])
def test_what_may_wait_is_bounded_whatever_the_rate(rate: int, ahead: int) -> None:
    assert most_ahead(rate) == ahead


def test_what_was_canceled_goes_again_only_when_that_is_asked_for() -> None:
    canceled = seen(state=State.CANCELED)
    assert not goes_again(Kind.BULK, ALL, ENDPOINT, canceled)
    assert goes_again(Kind.BULK, Selection(since=0, until=9, state=State.CANCELED), ENDPOINT, canceled)


def test_a_total_that_grew_meanwhile_is_never_less_than_what_was_looked_at() -> None:
    task = Task(
        id="qtask_1", organization="org_1", application="app_1", endpoint="ep_1", kind=Kind.BULK, state=TaskState.RUNNING, selection=ALL,
        mark=f"msg_{floor(0)}", looked=5, done=4, total=3, next_at=0, problem=None, created_at=0, updated_at=0,
    )  # fmt: skip
    assert show_task(task).data["total"] == 5
