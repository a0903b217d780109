"""Slow, regular work, in slices that the path of a message does not feel.

It carries out tasks, ends the deliveries of deleted endpoints, removes what has expired, has grown old or was deleted, and
looks again for due rows, so that nothing depends on a wake-up that was missed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from hookwright.clock import Clock
from hookwright.engine.herald import Deliverer
from hookwright.engine.ongoing import Ongoing
from hookwright.engine.replays import Replays
from hookwright.engine.slices import SLICE
from hookwright.store import Store
from hookwright.store.deliveries import CancelDeliveries, Forget
from hookwright.store.retention import Erase, Maintain, Place, RemoveMessages, RemoveRecords

EVERY_SECONDS = 10.0
SLICES_A_ROUND = 50
GRACE_MS = 600_000
"""What has expired is removed so much later: by then every attempt that ended before is settled, and its answer found."""
PAUSE_SECONDS = 0.02
"""Between slices, so that they are a small share of what the database does."""
SETTLED_MS = 60_000
"""What was deleted so long ago is changed by no request any more that began before."""
OLDER_MS = 2 * GRACE_MS
"""Messages are removed so much after their age allows it: by then the contents that expired with it are gone."""
PASS_SECONDS = 3600.0
"""Between passes over all messages for old ones. None is old for as much as a day."""


class Janitor:
    def __init__(
        self, *, store: Store, dispatcher: Deliverer, replays: Replays, clock: Clock, called: asyncio.Event, keep_ms: int | None
    ) -> None:
        """`called` is set when there is something to do before the next round (a task, a deleted endpoint). Messages are
        kept for `keep_ms`, None: for ever.
        """
        self._store, self._dispatcher, self._replays, self._clock, self._called = store, dispatcher, replays, clock, called
        self._keep_ms = keep_ms
        self._place: Place | None = None
        self._passed: float | None = None
        self._looked_up_to = ""
        self._tidying, self._all_done = Ongoing("tidying"), True

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
        kinds = (
            self._replays.carry_on,
            self._cancel,
            self._forget,
            self._maintain,
            self._age,
            self._remove_records,
            self._erase,
            self._look,
        )
        self._all_done = True
        more = [await self._some(work) for work in kinds]
        if self._all_done:
            self._tidying.succeeded()
        return any(more)

    async def _some(self, slice_of_work: Callable[[], Awaitable[bool]]) -> bool:
        """Whether there is more of it. One kind of work that fails keeps nobody from the others."""
        try:
            for _ in range(SLICES_A_ROUND):
                if not await slice_of_work():
                    return False
                await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:
            self._tidying.failed(error)
            self._all_done = False
            return False
        return True

    async def _look(self) -> bool:
        after = await self._dispatcher.look_on(self._looked_up_to)
        self._looked_up_to = after or ""
        return after is not None

    async def _cancel(self) -> bool:
        return await self._store.write(CancelDeliveries(now=self._clock.now(), limit=SLICE)) > 0

    async def _forget(self) -> bool:
        return await self._store.write(Forget(now=self._clock.now(), grace=GRACE_MS, limit=SLICE)) > 0

    def _before(self, now: int) -> int | None:
        """Messages that were created before it are old (Unix ms)."""
        return None if self._keep_ms is None else now - self._keep_ms - OLDER_MS

    async def _maintain(self) -> bool:
        now = self._clock.now()
        return await self._store.write(Maintain(now=now, before=self._before(now)))

    async def _age(self) -> bool:
        """A slice of a pass over the messages; whether the pass goes on."""
        now, moment = self._clock.now(), asyncio.get_running_loop().time()
        before = self._before(now)
        if before is None or (self._passed is not None and moment - self._passed < PASS_SECONDS):
            return False
        self._place = await self._store.write(RemoveMessages(now=now, before=before, after=self._place or Place(), limit=SLICE))
        if self._place is None:
            self._passed = moment
        return self._place is not None

    async def _remove_records(self) -> bool:
        now = self._clock.now()
        before = self._before(now)
        return before is not None and await self._store.write(RemoveRecords(now=now, before=before, limit=SLICE)) > 0

    async def _erase(self) -> bool:
        now = self._clock.now()
        return await self._store.write(Erase(now=now, before=now - SETTLED_MS, old=self._before(now), limit=SLICE)) > 0
