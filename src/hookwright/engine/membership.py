"""A process is a node for as long as it renews its lease, and takes over what others left when theirs ran out (P3).

Duty: once a second it tells the database that it is alive, and twice it ends whoever was silent for the length of a lease. A
process that was itself ended (it hung, or could not reach the database, for longer than that) owns nothing any more:
what it has in memory is somebody else's now. It drops it, becomes a new node and goes on.

Rules:

* The two go on independently: a renewal waits for nothing else, and for its own answer no longer than a third of a
  lease, so that it has failed, and been tried again, before the lease ends.
* The lease is counted from before the renewal was asked for, by a clock that nobody sets and that goes on while the machine is
  suspended; silence by the database's clock.
* Who could not renew its own lease, or is late with it, knows nothing of the others: after an outage they have had no chance
  either, so for the length of a lease it ends nobody.
* Who has just begun does not know whether there was an outage: it ends nobody before whoever is alive had a chance to say so.
* Where an answer was lost, something may have been freed that nobody was told of: then the dispatcher looks again.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from hookwright.clock import Clock, elapsed
from hookwright.engine.herald import Deliverer
from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreRefused
from hookwright.store import Store
from hookwright.store.nodes import OpenNode, RenewLease, TakeOver

log = logging.getLogger(__name__)
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.5
"""A node that died is found so much later than its lease at most, and what else a look takes."""
AGAIN_SECONDS = 0.2
"""After a failure, which may itself have taken a third of a lease."""
NOBODY_MS = 10**12
"""So long a silence is nobody's."""


class Membership:
    def __init__(self, *, store: Store, dispatcher: Deliverer, clock: Clock, lease_ms: int) -> None:
        self._store, self._dispatcher, self._clock, self._lease_ms = store, dispatcher, clock, lease_ms
        self._chance = BEAT_SECONDS + lease_ms / 3000
        """Within so many seconds whoever is alive renews its lease: a pause, and a renewal that takes as long as it may."""
        self._owes_a_look = False
        self._late_from = math.inf
        self._patient_until = -math.inf

    async def run(self) -> None:
        """Until cancelled. Raises StoreRefused when this process cannot become a node again: its release is too old for the schema."""
        # Whoever lives and was silent for a lease has failed to renew, and tries again.
        self._patient_until = asyncio.get_running_loop().time() + self._lease_ms / 3000 + AGAIN_SECONDS
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._keep_on(self.beat, lambda: BEAT_SECONDS, "renewing the lease of this process"))
                both.create_task(self._keep_on(self.look_after_others, self._next_look, "looking for processes that are gone"))
        except* StoreRefused as refused:
            refusal = refused.exceptions[0]
        raise refusal

    async def _keep_on(self, work: Callable[[], Awaitable[None]], pause: Callable[[], float], what: str) -> None:
        ongoing = Ongoing(what)
        while True:
            async with ongoing:
                await work()
            await asyncio.sleep(AGAIN_SECONDS if ongoing.failing else pause())

    def _next_look(self) -> float:
        """In so many seconds; also as soon as it need not be patient any more."""
        left = self._patient_until - asyncio.get_running_loop().time()
        return min(LOOK_SECONDS, left) if left > 0 else LOOK_SECONDS

    async def beat(self) -> None:
        """Renew; or begin again as another node. Raises StoreUnavailable, StoreRefused."""
        began = elapsed()
        try:
            alive = await self._store.write(RenewLease(owner=self._dispatcher.owner, within=self._lease_ms / 3000))
            if not alive:
                await self._begin_again()
        except BaseException:
            self._late_from = -math.inf
            raise
        lease = self._lease_ms / 1000
        self._dispatcher.lease(began + lease)
        now = asyncio.get_running_loop().time()
        if now >= self._late_from or not alive:
            self._patient_until = now + lease
        self._late_from = now + self._chance

    async def _begin_again(self) -> None:
        ended = self._dispatcher.owner
        self._dispatcher.begin_again(await self._store.write(OpenNode(now=self._clock.now())))
        self._owes_a_look = True
        log.error("node %d was silent for longer than its lease and was ended; it goes on as node %d", ended, self._dispatcher.owner)

    async def look_after_others(self) -> None:
        """End the silent ones, and deliver what they held. Raises StoreUnavailable, and then makes up for it the next time."""
        try:
            patient = not self._patient_until <= asyncio.get_running_loop().time() < self._late_from
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
