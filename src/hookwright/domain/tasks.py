"""A task goes on in the background, in slices, until it is done: messages that an endpoint had, or missed, are sent again.

State of a task, and what moves it:

    (none)   -- asked for -------------------------------------> running
    running  -- its range was looked through ------------------> finished
    running  -- endpoint deleted, or its own row is damaged ---> failed
    running  -- canceled by hand ------------------------------> canceled    what it had added by then stays

What it adds are rounds (see `domain.deliveries`), each with a schedule of its own. Nothing that is on its way gets another one.
"""

from enum import StrEnum

import msgspec

from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint, wants

SLICE_SECONDS = 2
"""A slice adds no more than what the task's rate is for so long."""
CREDIT_MS = 2_000
"""A task that was kept from its work makes up for so much of it at once, not for more."""
AHEAD_SECONDS, MOST_AHEAD = 5, 5_000
"""While so much waits for the endpoint already, a task adds nothing: a million messages are never a million live rows."""
WAIT_MS = 5_000
"""So long until it looks whether the endpoint has taken some."""
KNOWN_MS = 2_000
"""By so much later every process knows of an endpoint, or a wish of it, that there is now: what was accepted before it may be missing."""


class Kind(StrEnum):
    """The texts are those of the wire (`BackgroundTaskType`)."""

    RECOVER = "endpoint.recover"
    MISSING = "endpoint.replay"
    BULK = "endpoint.bulk-replay"


class TaskState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"


class Selection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Messages created in [since, until) (Unix ms); of these, where something else is asked for, those that fit all of it.

    `state`: how they ended at the endpoint; `status_class`: the hundreds of its last answer, 0 if it gave none. `rate`: so many a second
    at most, None for the usual.
    """

    since: int
    until: int
    event_types: frozenset[str] | None = None
    channel: str | None = None
    state: State | None = None
    status_class: int | None = None
    rate: int | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a task finds it at an endpoint, all its rounds together.

    `round` is the last that ended and `state` how they ended (see `headline`): None if none did. `last_attempt`: of any of them the last.
    """

    message: str
    organization: str
    event_type: str
    channels: frozenset[str] | None
    created_at: int
    round: int | None = None
    state: State | None = None
    last_attempt: str | None = None
    live: bool
    has_content: bool


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix ms. It goes on from `mark` (a message id); `looked` messages were looked at, `done` of them sent again.

    `total`: how many there are to look at, None while nobody has counted that far.
    """

    id: str
    organization: str
    application: str
    endpoint: str
    kind: Kind
    state: TaskState
    selection: Selection
    mark: str
    looked: int
    done: int
    total: int | None
    next_at: int
    problem: str | None
    created_at: int
    updated_at: int


def goes_again(kind: Kind, selection: Selection, endpoint: Endpoint, seen: Seen) -> bool:
    """Whether the message gets a round, as far as can be told without its last answer."""
    if seen.live or not seen.has_content:
        return False
    if kind is Kind.MISSING:
        return seen.state is None and wants(endpoint, seen.event_type, seen.channels)
    if seen.state is None or selection.state not in (None, seen.state):
        return False
    if seen.state is State.CANCELED and selection.state is None:
        return False  # somebody said that it must not be sent: who wants it all the same says so
    if selection.event_types is not None and seen.event_type not in selection.event_types:
        return False
    return selection.channel is None or (seen.channels is not None and selection.channel in seen.channels)


def begins_at(kind: Kind, now: int) -> int:
    """When a task that was asked for at `now` looks at its first messages (Unix ms)."""
    return now + (KNOWN_MS if kind is Kind.MISSING else 0)


def slice_size(rate: int) -> int:
    """How many rounds one slice adds at most."""
    return max(1, rate * SLICE_SECONDS)


def most_ahead(rate: int) -> int:
    """How many deliveries may be due at the endpoint for a task to add more."""
    return min(MOST_AHEAD, max(1, rate * AHEAD_SECONDS))


def next_slice_at(next_at: int, now: int, added: int, rate: int) -> int:
    """When a task goes on that was to go on at `next_at` and has added so many now (Unix ms; messages a second)."""
    return max(next_at, now - CREDIT_MS) + -(-added * 1000 // rate)
