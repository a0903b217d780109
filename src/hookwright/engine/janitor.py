"""Slow, regular work, in slices that the path of a message does not feel.

It carries out recovers, ends the deliveries of deleted endpoints, removes what has expired, and looks again for due
rows, so that nothing depends on a wake-up that was missed.
"""

import asyncio
import logging

from hookwright.clock import Clock
from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.replays import Replays
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.deliveries import CancelDeliveries, Forget

log = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
SLICE = 500
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
            try:
                await self.tidy()
            except StoreUnavailable as error:
                log.error("tidying waits for the database: %s", error)
            except Exception:
                log.exception("tidying failed")
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._called.wait()
            except TimeoutError:
                pass

    async def tidy(self) -> None:
        """All that there is to do now."""
        for slice_of_work in (self._replays.carry_on, self._cancel, self._forget):
            while await slice_of_work():  # noqa: ASYNC110  # a pause for others, not a wait for something
                await asyncio.sleep(PAUSE_SECONDS)
        await self._dispatcher.look_again()

    async def _cancel(self) -> bool:
        return await self._store.write(CancelDeliveries(now=self._clock.now(), limit=SLICE)) > 0

    async def _forget(self) -> bool:
        return await self._store.write(Forget(now=self._clock.now(), limit=SLICE)) > 0
