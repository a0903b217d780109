"""Work that goes on whatever happens, and an outage is two lines of its log.

Duty: a loop that ended at the first error that it did not foresee would be missed by nobody until its work is. So each turn of
the engine's loops is inside an `Ongoing`. What fails there is said, and goes no further; but what is refused is so for good.
"""

import asyncio
import logging
from types import TracebackType

from hookwright.errors import EgressUnavailable, StoreError, StoreRefused

log = logging.getLogger(__name__)


class Ongoing:
    """One kind of work: `async with` it around each try, or tell it of each.

    Of the failures until it succeeds again each kind is said once; one that is neither the database's nor the
    proxy's is a mistake of ours, and has a traceback.
    """

    def __init__(self, what: str, *, again: float = 0.0) -> None:
        """`what` begins the lines ("renewing the lease"). After a failure `async with` waits `again` seconds."""
        self._what, self._again = what, again
        self._said: set[type[Exception]] = set()

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return bool(self._said)

    def failed(self, error: Exception) -> None:
        if type(error) not in self._said:
            if isinstance(error, StoreError | EgressUnavailable):
                log.error("%s fails and is tried again: %s", self._what, error)
            else:
                log.error("%s failed and is tried again", self._what, exc_info=error)
        self._said.add(type(error))

    def succeeded(self) -> None:
        if self._said:
            log.warning("%s succeeds again", self._what)
        self._said.clear()

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            self.succeeded()
            return True
        if not isinstance(error, Exception) or isinstance(error, StoreRefused):  # it is to end
            return False
        self.failed(error)
        await asyncio.sleep(self._again)
        return True
