"""Lanes of ordered endpoints: one attempt at a time, and nothing is sent before what came before it has ended, in the store.

Duty: at an ordered endpoint no message is sent while an earlier one is live. What a lane holds of it was claimed together, in order
and from the first (`ClaimDue`), so two rules suffice:

* The lane's one slot is taken until what the attempt came to is committed. A process that dies before that has not begun
  the next message, and who takes over begins with this one.
* When the first does not end (it is tried again, or went back untried), all that the lane holds goes back with it. The same when
  its settlement did not count: somebody else ended the delivery, or holds it by now.

Then the lane claims again. Nobody else does meanwhile: while a row of the endpoint is owned, the store gives none.
"""

from collections.abc import Callable, Iterable, Sequence

from hookwright.domain.deliveries import Delivery, Key, State
from hookwright.engine.executor import Tried
from hookwright.engine.lanes import Lane
from hookwright.store.deliveries import Claimed, ClaimedRows, Settlement

HELD_MS, WAIT_MS = 5_000, 60_000
"""Who finds that others have rows of an endpoint looks again after so long, should they forget to. And so long at most it is believed when
the first is due: it may end without a word, as when its payload is too old.
"""


def part(lane: Lane, claimed: Sequence[Claimed], may_send: Callable[[Delivery], bool]) -> tuple[list[Claimed], list[Claimed]]:
    """What was claimed for a lane and may be sent, and what goes back: with one of an ordered lane all that follow it."""
    fit: list[Claimed] = []
    back: list[Claimed] = []
    for one in claimed:
        (fit if not (back and lane.ordered) and may_send(one.delivery) else back).append(one)
    return fit, back


def is_drained(lane: Lane, rows: ClaimedRows, now: int) -> bool:
    """Whether a claim found that nothing is due any more at its endpoint; what waits for its first is."""
    waits = rows.next_due_at is not None and (lane.ordered or rows.next_due_at <= now)
    return not (lane.queue or rows.held or waits)


class Order:
    """`clear` gives back what a lane holds, `wake` claims for an endpoint, `go_on` serves a lane whose slot is free again."""

    def __init__(self, clear: Callable[[Lane], None], wake: Callable[[str, int], None], go_on: Callable[[Lane], None]) -> None:
        self._clear, self._wake, self._go_on = clear, wake, go_on
        self._unsettled: dict[Key, Lane] = {}

    def waits(self, lane: Lane | None) -> bool:
        """Whether it is known when its first is due, or that others are at it: that something behind it is due is no news."""
        return lane is not None and lane.ordered and lane.due_at is not None

    def look(self, lanes: Iterable[Lane]) -> None:
        """What was first at any of them may have ended."""
        for lane in [lane for lane in lanes if lane.ordered]:
            self._wake(lane.endpoint, 0)

    def tried(self, lane: Lane, tried: Tried | None) -> None:
        """An attempt is over, and its slot free; None: it was not made."""
        if tried is None or tried.settlement.state is State.PENDING:
            self._clear(lane)
        if tried is not None:
            lane.in_flight += 1
            self._unsettled[tried.settlement.key] = lane

    def refused(self, settlement: Settlement) -> None:
        """It does not count; or it did, and the answer to that commit was lost. Of any endpoint."""
        if settlement.state is State.PENDING:
            self._wake(settlement.key.endpoint, settlement.due_at or 0)
        self.settled(settlement, counts=False)

    def settled(self, settlement: Settlement, *, counts: bool) -> None:
        """What an attempt came to is committed; or it does not count."""
        lane = self._unsettled.pop(settlement.key, None)
        if lane is None:
            return
        lane.in_flight -= 1
        if not counts:
            self._clear(lane)
        if not counts or settlement.state is not State.PENDING:
            self._wake(lane.endpoint, 0)
        self._go_on(lane)
