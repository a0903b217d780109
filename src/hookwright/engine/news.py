"""Changes that another process made govern what this one does next, within a second: memory is dropped, not left to expire.

Duty: twice a second, and when it is called, it reads what was committed lately by any process, and does what `changes` does
for our own. Rules:

* Ids are given before the commit, so news can appear out of their order: each look goes back `WITHIN_MS`, longer than any
  transaction may take, and passes over what it has seen.
* After a pause that such a look would not bridge, at the start, and when more was told than is read, nothing in memory
  is trusted: everything is forgotten.
* A look that reads all it may, down to what was heeded, has missed nothing but what was committed later than thousands of others:
  for that, everything is forgotten once in `WITHIN_MS`, not at each look, which would release and claim all that is queued.
* Our own news are heeded like any other: they cost a load and save knowing whose they are.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable

from hookwright.engine.directory import Directory
from hookwright.engine.herald import Deliverer
from hookwright.engine.ongoing import Ongoing
from hookwright.store import Store
from hookwright.store.news import News, RecentNews

EVERY_SECONDS = 0.4
LEAST_SECONDS = 0.05
"""Between two looks, however often it is called."""
SHARE = 20
"""One part in so many of the time goes into looks for which it is called; those that are due anyway are made."""
WITHIN_MS = 40_000
LONGEST_PAUSE = 10.0
"""Seconds between two looks. The rest of `WITHIN_MS` is for transactions that were long under way."""
MOST = 10_000


class Follower:
    def __init__(self, *, store: Store, directory: Directory, dispatcher: Deliverer) -> None:
        self._store, self._directory, self._dispatcher = store, directory, dispatcher
        self._listeners: list[Callable[[News | None], None]] = []
        self._seen: set[int] = set()
        self._looked: float | None = None
        self._forgot = -math.inf
        self._was_full = False
        self._called = asyncio.Event()

    def subscribe(self, listener: Callable[[News | None], None]) -> None:
        """Call it with each piece of news; with None when there may have been any."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Until cancelled."""
        loop, looking = asyncio.get_running_loop(), Ongoing("reading what other processes change")
        while True:
            began = loop.time()
            async with looking:
                await self.look()
            await self._pause(loop.time() - began)

    async def _pause(self, took: float) -> None:
        """Until it is called, and not so soon after a look that took long."""
        least = min(EVERY_SECONDS, max(LEAST_SECONDS, SHARE * took))
        await asyncio.sleep(least)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY_SECONDS - least):
                await self._called.wait()
        self._called.clear()

    def call(self) -> None:
        """There may be something to read: look soon."""
        self._called.set()

    async def look(self) -> None:
        """Heed what is new since the last look. Raises StoreUnavailable."""
        began = asyncio.get_running_loop().time()
        recent = await self._store.read(RecentNews(within_ms=WITHIN_MS, most=MOST))
        fresh = [news for news in reversed(recent) if news.id not in self._seen]
        if self._missed(recent, began):
            self._heed(None)
            self._forgot, self._was_full = began, False
        else:
            for news in fresh:
                self._heed(news)
        self._was_full = self._was_full or len(recent) == MOST
        self._seen, self._looked = {news.id for news in recent}, began

    def _missed(self, recent: list[News], now: float) -> bool:
        """Whether there may have been news that are not among these, the newest first."""
        if self._looked is None or now - self._looked > LONGEST_PAUSE:
            return True
        if len(recent) == MOST and recent[-1].id not in self._seen:
            return True
        return self._was_full and now - self._forgot > WITHIN_MS / 1000

    def _heed(self, news: News | None) -> None:
        if news is None:
            self._directory.forget_everything()
            self._dispatcher.everything_changed()
        elif news.kind == "message":
            self._dispatcher.message_expunged(news.item)
        elif news.kind == "health":
            self._dispatcher.health_changed(news.application, news.item)
        elif news.kind in ("application", "endpoint"):
            self._directory.forget(news.application)
            if news.kind == "endpoint":
                self._dispatcher.endpoint_changed(news.item)
        for listener in self._listeners:
            listener(news)
