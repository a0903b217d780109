"""A request on its way in: where the parser is in it, how much of it has come, and by when it has to be whole.

Times are the loop's seconds. A deadline is a float that the connection's callbacks move, so a request costs no timer.
"""

from math import inf
from typing import Literal

from hookwright.api.limits import Limits

Part = Literal["between", "head", "body"]


class Arrival:
    """A connection has one, for one request after another.

    `part`: where the parser is; the application may be busy with earlier requests meanwhile. `size`: bytes of this
    request so far, and of what came instead of one since nothing is parsed any more. `unspent`: bytes parsed since
    something last came of them.
    """

    __slots__ = ("_began", "_limits", "deadline", "part", "size", "unspent")

    def __init__(self, limits: Limits, now: float) -> None:
        """The first request's time runs since the connection was made."""
        self._limits = limits
        self._began = now
        self.part: Part = "between"
        self.deadline = now + limits.header_seconds
        self.size = self.unspent = 0

    def begin(self, now: float | None) -> None:
        """Its first byte is here. `now` None: its time runs already."""
        self.part = "head"
        self.size = 0
        if now is not None:
            self._began = now
            self.deadline = now + self._limits.header_seconds

    def begin_body(self) -> None:
        self.part = "body"
        self.unspent = 0
        self.deadline = self._began + self._limits.request_seconds

    def end(self, deadline: float = inf) -> None:
        """It is in, or nothing more of it is wanted; `deadline` is for the next one."""
        self.part, self.deadline = "between", deadline
        self.unspent = 0

    def excuse(self, seconds: float) -> None:
        """Time that is not to be held against the peer."""
        self._began += seconds
        self.deadline += seconds

    def is_late(self, now: float) -> bool:
        return now >= self.deadline or (self.part == "body" and self._dawdles(now))

    def _dawdles(self, now: float) -> bool:
        late = now - self._began - self._limits.body_grace_seconds
        return late > 0 and self.size < late * self._limits.body_bytes_per_second
