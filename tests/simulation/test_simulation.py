"""The promises hold in a hundred stories of crashes, zombies and full disks; and the simulation notices when they do not.

`python -m tests.simulation --seed N` tells one of them again.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec
import pytest

from hookwright.domain import tasks
from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.tasks import Kind, Seen, Selection
from hookwright.engine.executor import Tried
from hookwright.engine.lanes import Lane
from hookwright.engine.order import Order
from hookwright.store.deliveries import Resend
from hookwright.stores.sql import deliveries, positions, replays
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.items import answer
from hookwright.stores.sql.registry import WRITERS
from hookwright.stores.sqlite import nodes
from hookwright.stores.sqlite.groups import Groups
from tests.simulation.model import Violation
from tests.simulation.scenario import simulate

pytestmark = pytest.mark.long
SEEDS = 100
SCRIPTED_SEEDS = 30
PATIENCE = 200
"""Seeds within which a planted bug must be found."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("tenth", range(10))
def test_every_promise_holds_whatever_fails(tenth: int) -> None:
    for seed in range(tenth * SEEDS // 10, (tenth + 1) * SEEDS // 10):
        simulate(seed)


@pytest.mark.parametrize("tenth", range(10))
def test_ordered_endpoints_see_their_messages_in_the_order_of_commits_whatever_fails(tenth: int) -> None:
    for seed in range(tenth * SEEDS // 10, (tenth + 1) * SEEDS // 10):
        simulate(seed, ordered=True)


@pytest.mark.parametrize("part", range(5))
def test_endpoints_with_transformations_get_their_messages_whatever_fails_and_however_long_scripts_take(part: int) -> None:
    for seed in range(part * SCRIPTED_SEEDS // 5, (part + 1) * SCRIPTED_SEEDS // 5):
        simulate(seed, ordered=seed % 2 == 1, scripted=True)


def test_a_seed_tells_the_same_story_again() -> None:
    assert simulate(7) == simulate(7)


def _found(*, ordered: bool = False) -> str:
    """What the simulation says of the code as it is now."""
    for seed in range(PATIENCE):
        try:
            simulate(seed, ordered=ordered)
        except Violation as violation:
            return str(violation)
    raise AssertionError(f"{PATIENCE} seeds did not find the planted bug")


def test_a_settlement_without_its_fence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    unfenced = "where endpoint = ? and message = ? and round = ? and ? is not null and ? is not null"
    for name in ("end_fenced", "reschedule"):
        sql = getattr(deliveries.SQL, name)
        planted = sql.replace("where endpoint = ? and message = ? and round = ? and owner = ? and attempts = ?", unfenced)
        assert planted != sql
        monkeypatch.setattr(deliveries.SQL, name, planted)
    assert "P4" in _found()


def test_an_acknowledgement_before_the_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def commit(self: Any, group: list[Any]) -> None:
        try:
            self._connection.execute("begin immediate")
            for item in group:
                self._carry_out_apart(item)
            for item in group:
                answer(item)
            await self._offload.run(self._sync)
        except apsw.Error as error:
            self._fail(group, error)

    monkeypatch.setattr(Groups, "_commit", commit)
    assert "P1" in _found()


def test_a_resend_that_cancels_the_scheduled_retry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = WRITERS[Resend]

    async def resend(db: Db, command: Resend) -> Any:
        delivery = await handler(db, command)
        await db.run("delete from deliveries where endpoint = ? and message = ? and round = 0", (command.endpoint, command.message))
        return delivery

    monkeypatch.setitem(WRITERS, Resend, resend)
    assert _found()


def test_a_conflict_with_what_is_not_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer takes "this event id exists" for "it is safe"."""
    carry_out = Groups._carry_out_apart

    def tell_at_once(self: Any, item: Any) -> None:
        carry_out(self, item)
        if item.error is not None and not item.waiter.done():
            item.waiter.set_exception(item.error)

    monkeypatch.setattr(Groups, "_carry_out_apart", tell_at_once)
    assert "was refused as taken" in _found()


def test_rows_that_are_not_taken_over_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes.SQL, "take_over", "update deliveries set owner = 0 where owner = -1 and ?")
    assert "P3" in _found()


def test_a_task_that_sends_again_what_is_on_its_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def goes_again(kind: Kind, selection: Selection, endpoint: Endpoint, seen: Seen) -> bool:
        return tasks.goes_again(kind, selection, endpoint, msgspec.structs.replace(seen, live=False))

    monkeypatch.setattr(replays, "goes_again", goes_again)
    assert "sent again" in _found()


def test_a_task_that_passes_over_a_message_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    look = replays.look

    async def passing_over(*asked: Any, **bounds: Any) -> replays.Looked:
        looked = await look(*asked, **bounds)
        return msgspec.structs.replace(looked, again=looked.again[1:])

    monkeypatch.setattr(replays, "look", passing_over)
    assert "passed over" in _found()


def test_a_message_that_is_sent_before_the_one_before_it_is_settled_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(self: Order, lane: Lane, tried: Tried | None) -> None:
        if tried is None or tried.settlement.state is State.PENDING:
            self._clear(lane)

    monkeypatch.setattr(Order, "tried", tried)
    assert "FIFO" in _found(ordered=True)


def test_messages_that_do_not_go_back_with_the_one_before_them_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(self: Order, lane: Lane, tried: Tried | None) -> None:
        if tried is not None:
            lane.in_flight += 1
            self._unsettled[tried.settlement.key] = lane

    monkeypatch.setattr(Order, "tried", tried)
    assert "FIFO" in _found(ordered=True)


def test_a_claim_by_time_and_not_by_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = positions.SQL.rows.replace("order by d.position", "order by d.due_at")
    assert planted != positions.SQL.rows
    monkeypatch.setattr(positions.SQL, "rows", planted)
    assert "FIFO" in _found(ordered=True)


def test_asyncio_is_left_as_it_was() -> None:
    simulate(0)
    assert asyncio.run(asyncio.sleep(0, "real time again")) == "real time again"


def test_claims_leave_the_room_that_is_promised_to_messages_under_way() -> None:
    """Once, with all of it promised while commits were slow, claims went on and memory held more than its bound."""
    simulate(543)
