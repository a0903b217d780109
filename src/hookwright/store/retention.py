"""Commands that remove what has grown old, and what was deleted, in slices. `Forget`, of what expires, is beside deliveries.

`now` of each is the caller's clock (Unix ms), by which its other times were reckoned. A store that processes of several machines
share moves them all to its own clock if the caller's is ahead: one clock that is wrong must not erase for everybody.
"""

import msgspec

from hookwright.store import Command


class Maintain(Command[bool], frozen=True, kw_only=True):
    """What a store does for itself from time to time; whether there is more of it now.

    One that keeps the messages of a day together makes the days to come, and drops whole days of messages that were
    created before `before` (Unix ms; None: none). A message with a live delivery stays (P2). It never waits long for anything, and
    holds up nobody else for long: what cannot be done at once is done at another time, or by another node.
    """

    now: int
    before: int | None


class Place(msgspec.Struct, frozen=True):
    """How far a pass over all messages has come: the last application, and message of it, that was looked at."""

    application: str = ""
    message: str = ""


class RemoveMessages(Command[Place | None], frozen=True, kw_only=True):
    """One slice of a pass: remove messages that were created before `before` (Unix ms), with all that was kept about them.

    It looks from `after` on, removes up to `limit` rows, and answers how far it came; None when the pass is at its end.
    A message stays while it has a live delivery (P2) or a content.
    """

    now: int
    before: int
    after: Place = Place()
    limit: int

    @property
    def weight(self) -> int:
        return self.limit


class RemoveRecords(Command[int], frozen=True, kw_only=True):
    """Remove up to `limit` each of the numbers of hours, and of the tasks that have ended, from before `before` (Unix ms); how many
    it was.
    """

    now: int
    before: int
    limit: int

    @property
    def weight(self) -> int:
        return self.limit


class Erase(Command[int], frozen=True, kw_only=True):
    """Remove up to `limit` rows of what was deleted; how many it was. Called until it is 0.

    Of an application that was deleted before `before` (Unix ms), once its deliveries are canceled, everything goes, itself last: so
    what a crash leaves is found again. Of an endpoint whose deliveries were canceled before `old` (None: of none), what still
    names it, and its row.
    """

    now: int
    before: int
    old: int | None
    limit: int

    @property
    def weight(self) -> int:
        return self.limit
