"""Slow, regular work, in slices that the path of a message does not feel.

It carries out recovers, ends the deliveries of deleted endpoints, removes what has expired, and looks again for due
rows, so that nothing depends on a wake-up that was missed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from hookwright.clock import Clock
from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.replays import Replays
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.deliveries import CancelDeliveries, Forget

log = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
SLICE = 500
SLICES_A_ROUND = 50
GRACE_MS = 600_000
"""What has expired is removed so much later: by then every attempt that ended before is settled, and its answer found."""
PAUSE_SECONDS = 0.02
"""Between slices, so that they are a small share of what the database does."""


class Janitor:
    def __init__(self, *, store: Store, dispatcher: Dispatcher, replays: Replays, clock: Clock, called: asyncio.Event) -> None:
        """`called` is set when there is something to do before the next round (a recover, a deleted endpoint)."""
        self._store, self._dispatcher, self._replays, self._clock, self._called = store, dispatcher, replays, clock, called

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._called.clear()
            if await self.tidy():
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._called.wait()

    async def tidy(self) -> bool:
        """One round: some slices of each kind of work, so that none starves another; whether there is more to do."""
        more = [await self._some(work) for work in (self._replays.carry_on, self._cancel, self._forget, self._look)]
        return any(more)

    async def _some(self, slice_of_work: Callable[[], Awaitable[bool]]) -> bool:
        """Whether there is more of it. One kind of work that fails keeps nobody from the others."""
        try:
            for _ in range(SLICES_A_ROUND):
                if not await slice_of_work():
                    return False
                await asyncio.sleep(PAUSE_SECONDS)
        except StoreUnavailable as error:
            log.error("tidying waits for the database: %s", error)
            return False
        except Exception:
            log.exception("tidying failed")
            return False
        return True

    async def _look(self) -> bool:
        await self._dispatcher.look_again()
        return False

    async def _cancel(self) -> bool:
        return await self._store.write(CancelDeliveries(now=self._clock.now(), limit=SLICE)) > 0

    async def _forget(self) -> bool:
        return await self._store.write(Forget(now=self._clock.now() - GRACE_MS, limit=SLICE)) > 0
