"""A process is a node for as long as it renews its lease, and takes over what others left when theirs ran out (P3).

Duty: once a second it tells the database that it is alive and ends whoever was silent for the length of a lease. A
process that was itself ended (it hung, or could not reach the database, for longer than that) owns nothing any more:
what it has in memory is somebody else's now. It drops it, becomes a new node and goes on.

Rules:

* The two go on independently: a renewal waits for nothing else, and for its own answer no longer than a third of a
  lease, so that it has failed, and been tried again, before the lease ends.
* The lease is counted by the loop's time from before the renewal was asked for, silence by the database's clock: no clock that
  is set anew can make one longer or shorter.
* Who could not renew its own lease knows nothing of the others: after an outage they have had no chance either, so for the
  length of a lease it ends nobody.
* Where an answer was lost, something may have been freed that nobody was told of: then the dispatcher looks again.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from hookwright.clock import Clock
from hookwright.engine.herald import Deliverer
from hookwright.errors import StoreError
from hookwright.store import Store
from hookwright.store.nodes import OpenNode, RenewLease, TakeOver

log = logging.getLogger(__name__)
EVERY_SECONDS = 1.0
AGAIN_SECONDS = 0.2
"""After a failure, which may itself have taken a third of a lease."""
NOBODY_MS = 10**12
"""So long a silence is nobody's."""


class Membership:
    def __init__(self, *, store: Store, dispatcher: Deliverer, clock: Clock, lease_ms: int) -> None:
        self._store, self._dispatcher, self._clock, self._lease_ms = store, dispatcher, clock, lease_ms
        self._owes_a_look = False
        self._renewed = True
        self._patient_until = -math.inf

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_on(self.beat, "renewing the lease of this process"))
            both.create_task(self._keep_on(self.look_after_others, "looking for processes that are gone"))

    async def _keep_on(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        """An outage is two lines of the log."""
        failing = False
        while True:
            try:
                await work()
            except StoreError as error:
                if not failing:
                    log.error("%s fails and is tried again: %s", what, error)
                failing = True
            except Exception:
                log.exception("%s failed and is tried again", what)
                failing = True
            else:
                if failing:
                    log.warning("%s succeeds again", what)
                failing = False
            await asyncio.sleep(AGAIN_SECONDS if failing else EVERY_SECONDS)

    async def beat(self) -> None:
        """Renew; or begin again as another node. Raises StoreUnavailable."""
        began = asyncio.get_running_loop().time()
        after_an_outage, self._renewed = not self._renewed, False
        if not await self._store.write(RenewLease(owner=self._dispatcher.owner, within=self._lease_ms / 3000)):
            ended = self._dispatcher.owner
            self._dispatcher.begin_again(await self._store.write(OpenNode(now=self._clock.now())))
            self._owes_a_look = True
            log.error("node %d was silent for longer than its lease and was ended; it goes on as node %d", ended, self._dispatcher.owner)
            after_an_outage = True
        lease_ends = began + self._lease_ms / 1000
        self._dispatcher.lease(lease_ends)
        self._renewed = True
        if after_an_outage:
            self._patient_until = lease_ends

    async def look_after_others(self) -> None:
        """End the silent ones, and deliver what they held. Raises StoreUnavailable, and then makes up for it the next time."""
        try:
            patient = not self._renewed or asyncio.get_running_loop().time() < self._patient_until
            lease_ms = NOBODY_MS if patient else self._lease_ms  # asked all the same, for what is this node's own
            freed = await self._store.write(TakeOver(owner=self._dispatcher.owner, lease_ms=lease_ms))
            if freed:
                log.warning("%d deliveries that nobody held any more are taken over", freed)
            if freed or self._owes_a_look:
                self._owes_a_look = False
                await self._dispatcher.look_again()
        except BaseException:
            self._owes_a_look = True
            raise
