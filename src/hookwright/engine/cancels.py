"""What another process was asked to cancel, and this one has queued: it ends here, for only who holds a delivery knows that it is
not on the wire yet.

What comes too late for that is sent: who asked was told that it may be under way.
"""

import asyncio

from hookwright.clock import Clock
from hookwright.engine.changes import Changes
from hookwright.engine.news import Follower
from hookwright.engine.ongoing import Ongoing
from hookwright.store.news import News

AGAIN_SECONDS = 1.0


class Cancels:
    def __init__(self, *, changes: Changes, clock: Clock, news: Follower) -> None:
        self._changes, self._clock = changes, clock
        self._asked: asyncio.Queue[News] = asyncio.Queue()
        news.subscribe(self._heed)

    def _heed(self, news: News | None) -> None:
        if news is not None and news.kind == "cancel":
            self._asked.put_nowait(news)

    async def run(self) -> None:
        """Until cancelled."""
        canceling = Ongoing("canceling what other processes are asked to cancel", again=AGAIN_SECONDS)
        while True:
            asked, done = await self._asked.get(), False
            while not done:
                async with canceling:
                    await self._changes.cancel_held(asked.application, asked.item, self._clock.now())
                    done = True
