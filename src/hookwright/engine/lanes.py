"""One lane per endpoint that has work, and the order in which lanes are served.

A lane bounds what one endpoint can hold of the process: attempts under way and queued deliveries. Whatever it cannot
take stays in the store, unowned. Lanes with work are served in turn: organizations in a ring, and within each its
lanes in a ring, one attempt a turn; every attempt costs the same, so deficit round robin is round robin. Fresh messages and
what waited in the store have rings of their own, served alternately: among thousands of endpoints with a backlog, the turn of
one with a fresh message would come too late.

Turns are fair, time is not: an endpoint that hangs keeps each of its slots for the whole deadline, and a handful of them
would keep all. So a lane earns its slots: it begins with a few, each quick answer adds one, each slow one halves them, and so does
one that says that there are too many.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from hookwright.engine.jobs import Job

if TYPE_CHECKING:
    from hookwright.engine.paces import Pace

FIRST_SLOTS = 8
SLOW_SECONDS = 5.0
QUEUED_PER_SLOT = 8
"""A lane may hold so many queued deliveries for each attempt that it may have under way."""


class Lane:
    """`more`: the store may hold due rows for it; `due_at`: when (Unix ms) it may hold due rows next. `ordered`: see `order`."""

    __slots__ = (
        "claiming", "due_at", "endpoint", "in_flight", "in_turn", "more", "most_slots", "ordered", "organization", "pace",
        "queue", "slots", "starving",
    )  # fmt: skip

    def __init__(self, endpoint: str, most_slots: int = FIRST_SLOTS) -> None:
        self.endpoint = endpoint
        self.most_slots = most_slots
        self.slots = min(FIRST_SLOTS, most_slots)
        self.organization = ""
        self.queue: deque[Job] = deque()
        self.in_flight = 0
        self.in_turn = False
        self.more = False
        self.ordered = False
        self.starving = False
        self.claiming = False
        self.due_at: int | None = None
        self.pace: Pace | None = None

    def set_ordered(self, ordered: bool, most_slots: int) -> None:
        """One at a time from now on, or up to `most_slots` again."""
        if ordered is not self.ordered:
            self.ordered, self.most_slots = ordered, 1 if ordered else most_slots
            self.slots = min(FIRST_SLOTS, self.most_slots)

    def learn(self, seconds: float, *, strained: bool = False) -> None:
        """An attempt took so long; `strained`: the receiver had no time for it, or said so. Other failures matter to nobody else."""
        quick = seconds < SLOW_SECONDS and not strained
        self.slots = min(self.most_slots, self.slots + 1) if quick else max(1, self.slots // 2)

    @property
    def depth(self) -> int:
        """How many deliveries it may have queued. One that proved slow keeps next to none: hundreds of them must find room."""
        depth = self.slots if self.slots < min(FIRST_SLOTS, self.most_slots) else QUEUED_PER_SLOT * self.slots
        return depth if self.pace is None else min(depth, self.pace.ahead)

    @property
    def late(self) -> bool:
        """Whether the next job waited in the store."""
        return bool(self.queue) and self.queue[0].late

    @property
    def idle(self) -> bool:
        """Nothing here and nothing awaited: the lane can go."""
        return not (self.queue or self.in_flight or self.more or self.claiming or self.due_at is not None)


class Turns:
    """Whose turn it is: lanes whose next job is fresh and those whose next job is late, in turn while there are both."""

    def __init__(self, may_begin: Callable[[str], bool] = lambda organization: True) -> None:
        """`may_begin`: whether an organization's lanes are to be served now; others' turns pass."""
        self._fresh, self._late = _Ring(may_begin), _Ring(may_begin)
        self._late_next = False
        self._waiting = 0

    def __bool__(self) -> bool:
        """Whether any lane waits, served now or not."""
        return self._waiting > 0

    def join(self, lane: Lane) -> None:
        """Put a lane that has a job and a free slot into its ring, once."""
        if lane.in_turn:
            return
        lane.in_turn = True
        self._waiting += 1
        (self._late if lane.late else self._fresh).join(lane)

    def next(self, *, late: bool = True) -> Lane | None:
        """Take the lane whose turn it is out of its ring; it joins again while it has work. Without `late`, one whose next job is
        fresh. None when there is none.
        """
        rings = (self._late, self._fresh) if self._late_next else (self._fresh, self._late)
        for ring in rings:
            if ring is self._late and not late:
                continue
            lane = ring.next()
            if lane is not None:
                self._late_next = ring is self._fresh
                lane.in_turn = False
                self._waiting -= 1
                return lane
        return None


class _Ring:
    """A ring of organizations, each with its ring of lanes."""

    def __init__(self, may_begin: Callable[[str], bool]) -> None:
        self._may_begin = may_begin
        self._organizations: deque[str] = deque()
        self._lanes: dict[str, deque[Lane]] = {}

    def join(self, lane: Lane) -> None:
        ring = self._lanes.get(lane.organization)
        if ring is None:
            ring = self._lanes[lane.organization] = deque()
            self._organizations.append(lane.organization)
        ring.append(lane)

    def next(self) -> Lane | None:
        for _ in range(len(self._organizations)):  # few are not to be served, see `tenants`
            if self._may_begin(self._organizations[0]):
                return self._serve(self._organizations.popleft())
            self._organizations.rotate(-1)
        return None

    def _serve(self, organization: str) -> Lane:
        ring = self._lanes[organization]
        lane = ring.popleft()
        if ring:
            self._organizations.append(organization)
        else:
            del self._lanes[organization]
        return lane
