"""A delivery is one message on its way to one endpoint, in one round.

Round 0 is the automatic one. Every resend, recover and replay adds a round with a live row and attempts of its own, so
that manual work never touches the automatic schedule.

State of a delivery, and what moves it:

    (none)   -- message committed, room here ---------> sending      claimed at once by the process that accepts it
    (none)   -- message committed, else --------------> pending
    pending  -- claimed ------------------------------> sending
    sending  -- given back untried -------------------> pending      no room, endpoint disabled, or the process ended
    sending  -- 2xx ----------------------------------> success
    sending  -- failed, schedule goes on -------------> pending      with a later due_at
    sending  -- 410, schedule goes on ----------------> pending      and held: the endpoint is disabled with it
    sending  -- failed or 410, schedule is over ------> fail
    sending  -- the same, at an ordered endpoint -----> pending      and held: the endpoint is disabled with it, unless it skips
    pending, or sending and not on the wire yet -- its message is canceled --> canceled
    pending  -- its body goes, past its retention ----> canceled
    sending  -- claimed without its body -------------> canceled     no attempt is made
    any live -- body expunged, or endpoint or application deleted --> canceled

`sending` shows what is claimed: a process has it in memory, on the wire or in its queue; thousands can be.
`held` is not stored: it is pending at an endpoint that is disabled, and ends the moment the endpoint is enabled.
"""

from enum import IntEnum

import msgspec


class State(IntEnum):
    """The numbers are those of the wire (`MessageStatus`)."""

    SUCCESS = 0
    PENDING = 1
    FAIL = 2
    SENDING = 3
    CANCELED = 4


FINAL = frozenset({State.SUCCESS, State.FAIL, State.CANCELED})
UNOWNED = 0


class Trigger(IntEnum):
    """Why a round exists. A resend is one attempt; the others follow the retry schedule. A task adds rounds as RECOVER.

    A round 0 that is RECOVER is that of an example: its message was for this endpoint alone.
    """

    SCHEDULED = 0
    RESEND = 1
    RECOVER = 2


class Key(msgspec.Struct, frozen=True):
    """The identity of a delivery."""

    endpoint: str
    message: str
    round: int = 0


class Fence(msgspec.Struct, frozen=True):
    """What must still be true of a live row for a completion to count: who claimed it, and for which attempt.

    `owner` is the epoch of the node that claimed it; `attempts` how many attempts were settled before this one.
    """

    owner: int
    attempts: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A live delivery. Times are Unix ms; `created_at` is the message's. `ordered`, of one that is new: it is to get a place behind
    those that its endpoint has.
    """

    key: Key
    application: str
    organization: str
    trigger: Trigger = Trigger.SCHEDULED
    attempts: int = 0
    due_at: int
    owner: int = UNOWNED
    created_at: int
    ordered: bool = False

    @property
    def fence(self) -> Fence:
        return Fence(self.owner, self.attempts)


class Status(msgspec.Struct, frozen=True):
    """What a list shows for one message at one endpoint, all rounds together. `next_attempt_at` is Unix ms."""

    state: State
    next_attempt_at: int | None = None


def headline(outcomes: list[State], live: list[Delivery]) -> Status:
    """One status for all rounds: a success anywhere wins, then what is still on its way, then how it ended."""
    if State.SUCCESS in outcomes:
        return Status(State.SUCCESS)
    if live:
        due = min(delivery.due_at for delivery in live)
        sending = any(delivery.owner != UNOWNED for delivery in live)
        tried = any(delivery.attempts for delivery in live)
        return Status(State.SENDING if sending else State.PENDING, due if tried else None)
    return Status(State.FAIL if State.FAIL in outcomes else State.CANCELED)
