"""A process is a node for as long as it renews its lease, and takes over what others left when theirs ran out (P3).

Duty: once a second it tells the database that it is alive and ends whoever was silent for the length of a lease. A
process that was itself ended (it hung, or could not reach the database, for longer than that) owns nothing any more:
what it has in memory is somebody else's now. It drops it, becomes a new node and goes on.
"""

import asyncio
import logging

from hookwright.clock import Clock
from hookwright.engine.dispatcher import Dispatcher
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.nodes import OpenNode, RenewLease, TakeOver

log = logging.getLogger(__name__)
EVERY_SECONDS = 1.0


class Membership:
    def __init__(self, *, store: Store, dispatcher: Dispatcher, clock: Clock, lease_ms: int) -> None:
        self._store, self._dispatcher, self._clock, self._lease_ms = store, dispatcher, clock, lease_ms

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.beat()
            except StoreUnavailable as error:
                log.error("the lease of this process cannot be renewed now: %s", error)
            except Exception:
                log.exception("the lease of this process could not be renewed")

    async def beat(self) -> None:
        """Renew, and look after the others."""
        began = asyncio.get_running_loop().time()
        if not await self._store.write(RenewLease(owner=self._dispatcher.owner)):
            ended = self._dispatcher.owner
            self._dispatcher.begin_again(await self._store.write(OpenNode(now=self._clock.now())))
            log.error("node %d was silent for longer than its lease and was ended; it goes on as node %d", ended, self._dispatcher.owner)
        self._dispatcher.lease(began + self._lease_ms / 1000)
        freed = await self._store.write(TakeOver(owner=self._dispatcher.owner, lease_ms=self._lease_ms))
        if freed:
            log.warning("%d deliveries that nobody held any more are taken over", freed)
            await self._dispatcher.look_again()
