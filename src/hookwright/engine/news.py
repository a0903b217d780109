"""Changes that another process made govern what this one does next, within a second: memory is dropped, not left to expire.

Duty: twice a second, and when it is called, it reads what was committed lately by any process, and does what `changes` does
for our own. Rules:

* Ids are given before the commit, so news can appear out of their order: each look goes back `WITHIN_MS`, longer than any
  transaction may take, and passes over what it has seen.
* After a pause that such a look would not bridge, at the start, and when there is too much to read, nothing in memory
  is trusted: everything is forgotten.
* Our own news are heeded like any other: they cost a load and save knowing whose they are.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from hookwright.engine.directory import Directory
from hookwright.engine.herald import Deliverer
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.news import News, RecentNews

log = logging.getLogger(__name__)
EVERY_SECONDS = 0.4
LEAST_SECONDS = 0.05
"""Between two looks, however often it is called."""
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
        self._called = asyncio.Event()

    def tell(self, listener: Callable[[News | None], None]) -> None:
        """Call it with each piece of news; with None when there may have been any."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.error("what other processes change cannot be read now: %s", error)
            except Exception:
                log.exception("what other processes change could not be read")
            await asyncio.sleep(LEAST_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS - LEAST_SECONDS):
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
        missed = self._looked is None or began - self._looked > LONGEST_PAUSE or (fresh and len(recent) == MOST)
        for news in [None] if missed else fresh:
            self._heed(news)
        self._seen, self._looked = {news.id for news in recent}, began

    def _heed(self, news: News | None) -> None:
        if news is None:
            self._directory.forget_everything()
            self._dispatcher.everything_changed()
        elif news.kind == "message":
            self._dispatcher.message_expunged(news.item)
        elif news.kind in ("application", "endpoint"):
            self._directory.forget(news.application)
            if news.kind == "endpoint":
                self._dispatcher.endpoint_changed(news.item)
        for listener in self._listeners:
            listener(news)
