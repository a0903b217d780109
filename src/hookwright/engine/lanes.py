"""One lane per endpoint that has work, and the order in which lanes are served.

A lane bounds what one endpoint can hold of the process: attempts under way and queued deliveries. Whatever it cannot
take stays in the store, unowned. Lanes with work are served in turn: organizations in a ring, and within each its
lanes in a ring, one attempt a turn; every attempt costs the same, so deficit round robin is round robin.

Turns are fair, time is not: an endpoint that hangs keeps each of its slots for the whole deadline, and a handful of them
would keep all. So a lane earns its slots: it begins with a few, each quick answer adds one, each slow one halves them.
"""

from collections import deque

from hookwright.engine.jobs import Job

FIRST_SLOTS = 8
SLOW_SECONDS = 5.0
QUEUED_PER_SLOT = 8
"""A lane may hold so many queued deliveries for each attempt that it may have under way."""


class Lane:
    """`more`: the store may hold due rows for it; `due_at`: when (Unix ms) it may hold due rows next."""

    __slots__ = (
        "claiming", "due_at", "endpoint", "in_flight", "in_turn", "more", "most_slots", "organization", "queue", "slots", "starving",
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
        self.starving = False
        self.claiming = False
        self.due_at: int | None = None

    def learn(self, seconds: float) -> None:
        """An attempt took so long; whether it was a success does not matter to the others."""
        self.slots = min(self.most_slots, self.slots + 1) if seconds < SLOW_SECONDS else max(1, self.slots // 2)

    @property
    def depth(self) -> int:
        """How many deliveries it may have queued. One that proved slow keeps next to none: hundreds of them must find room."""
        return self.slots if self.slots < min(FIRST_SLOTS, self.most_slots) else QUEUED_PER_SLOT * self.slots

    @property
    def idle(self) -> bool:
        """Nothing here and nothing awaited: the lane can go."""
        return not (self.queue or self.in_flight or self.more or self.claiming or self.due_at is not None)


class Turns:
    """The ring of organizations, each with its ring of lanes that have a job and a free slot."""

    def __init__(self) -> None:
        self._organizations: deque[str] = deque()
        self._lanes: dict[str, deque[Lane]] = {}

    def __bool__(self) -> bool:
        return bool(self._organizations)

    def join(self, lane: Lane) -> None:
        """Put a lane into its ring, once."""
        if lane.in_turn:
            return
        lane.in_turn = True
        ring = self._lanes.get(lane.organization)
        if ring is None:
            ring = self._lanes[lane.organization] = deque()
            self._organizations.append(lane.organization)
        ring.append(lane)

    def next(self) -> Lane:
        """Take the lane whose turn it is out of its ring; it joins again while it has work."""
        organization = self._organizations.popleft()
        ring = self._lanes[organization]
        lane = ring.popleft()
        lane.in_turn = False
        if ring:
            self._organizations.append(organization)
        else:
            del self._lanes[organization]
        return lane
