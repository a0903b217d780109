"""A moment in which nobody asks the store: it failed for one lane, and thousands may wait to ask the same. Or there is no way out of
here, and what it would give could only be given back.
"""

import asyncio
from collections.abc import Callable

from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreUnavailable

SECONDS = 0.5


class Rest:
    """`on` while it lasts; at its end `go_on` is called."""

    def __init__(self, go_on: Callable[[], None]) -> None:
        self._asking, self._go_on = Ongoing("preparing deliveries"), go_on
        self.on = False

    def begin(self, error: StoreUnavailable) -> None:
        self._asking.failed(error)
        self.take()

    def take(self) -> None:
        """Of which somebody else has said why."""
        if not self.on:
            self.on = True
            asyncio.get_running_loop().call_later(SECONDS, self._end)

    def not_needed(self) -> None:
        """The store was asked, and did it."""
        self._asking.succeeded()

    def _end(self) -> None:
        self.on = False
        self._go_on()
