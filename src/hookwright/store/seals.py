"""Commands and queries about what lies sealed, whatever it is: to see which keys it needs, and to put it under a new one."""

from typing import Literal

import msgspec

from hookwright.store import Command, Query

Kind = Literal["access", "answer", "headers", "secret", "variables"]


class Seal(msgspec.Struct, frozen=True):
    """A sealed value and its place.

    `owner` is the endpoint's id, of an answer the idempotency key in hex; `position` tells an endpoint's secrets apart.
    """

    kind: Kind
    owner: str
    position: int
    sealed: bytes


class SampleSeals(Query[list[Seal]], frozen=True, kw_only=True):
    """All that is sealed of up to `limit` endpoints from either end of their order; not of deleted ones: nothing opens it."""

    limit: int


class ListSeals(Query[list[Seal]], frozen=True, kw_only=True):
    """Every one, deleted endpoints' too, in slices: at most `limit` after `after`, the last of the slice before."""

    after: Seal | None = None
    limit: int


class ReplaceSeals(Command[None], frozen=True, kw_only=True):
    """Put new bytes in the place of each seal, unless something else has come there meanwhile."""

    changes: tuple[tuple[Seal, bytes], ...]

    @property
    def weight(self) -> int:
        return len(self.changes)
