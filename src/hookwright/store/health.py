"""Commands about how endpoints are, and about when the next message may go to them."""

import msgspec

from hookwright.domain.endpoints import DisabledReason
from hookwright.domain.health import Health
from hookwright.store import Command, Query


class SaveHealth(Command[Health], frozen=True, kw_only=True):
    """Keep `health`, if what is kept is still of its `version` (0: nothing is); the answer is what is kept now.

    Who finds another version in the answer computes again from that. A plain one is removed. `disable` disables the endpoint in
    the same transaction, if it is enabled. For an endpoint that does not exist any more nothing is kept: the answer is plain.
    """

    application: str
    endpoint: str
    health: Health
    disable: DisabledReason | None = None
    now: int


class FindHealth(Query[Health], frozen=True, kw_only=True):
    """Plain, of version 0, where nothing is kept."""

    urgent = True
    endpoint: str


class Turn(msgspec.Struct, frozen=True):
    """One message each `every` microseconds, to an endpoint or to all of an application: `item` is its id."""

    item: str
    every: int


class TakeTurns(Command[tuple[int, ...]], frozen=True, kw_only=True):
    """Take the next `count` turns of each item, from `now` on (Unix microseconds), whoever else takes some: the answer is the time of
    the first, of each. A turn that is not used is lost.
    """

    turns: tuple[Turn, ...]
    count: int
    now: int
