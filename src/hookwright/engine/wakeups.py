"""What one process leaves to others reaches them at once, and what they leave reaches this one (P3).

Duty: whoever commits unowned rows that others should deliver says so here; it is told to them after the commit, together with
whatever else there is to tell, at most once in `EVERY_SECONDS`. The path of a message that is owned by who accepts it is not
touched. Rules:

* A word is a hint. It is not repeated when it is lost, and nothing is believed because of it: who hears it looks.
* Who hears that any endpoint may have due rows looks at all of them, beside its listening; once more if it hears so meanwhile.
* Rows that nobody spoke of are found by looking: a page of endpoints once in `LOOK_SECONDS`, and those only that are late, for
  who settled a retry has its timer. So each retry costs one claim however many processes there are, and the timers of one
  that died are missed for a second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from hookwright.engine.ongoing import Ongoing
from hookwright.errors import StoreUnavailable
from hookwright.store import Store
from hookwright.store.wakeups import Heard, Wake

EVERY_SECONDS = 0.05
LOOK_SECONDS = 1.0
LATE_MS = 1_000
AGAIN_SECONDS = 0.5
SHARE = 20
"""One part in so many of the time, at most, goes into looking around."""
ANYWHERE_SHARE = 4
"""The same, of looking because of a word: behind a pooler it is said twice a second, by no one in particular."""
MOST = 200
"""Endpoints in one word; beyond it is `anywhere`."""
LAST_SECONDS = 2.0
"""How long the last word may take: a stop waits for it."""


class Wakeups:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._untold: set[str] = set()
        self._anywhere = False
        self._something = asyncio.Event()

    def tell(self, endpoint: str) -> None:
        """Others should look for due rows of this endpoint, which are committed."""
        if len(self._untold) >= MOST:
            self.tell_anywhere()
        else:
            self._untold.add(endpoint)
            self._something.set()

    def tell_anywhere(self) -> None:
        """As `tell`, of no endpoint in particular."""
        self._anywhere = True
        self._something.set()

    async def speak(self) -> None:
        """Until cancelled: tell the others."""
        telling = Ongoing("telling other processes what is due")  # a word that is lost is not repeated: they look by themselves
        while True:
            await self._something.wait()
            async with telling:
                await self._tell()
            await asyncio.sleep(EVERY_SECONDS)

    async def last_word(self) -> None:
        """This process ends: what it leaves behind, rows and timers, is anywhere."""
        self._anywhere = True
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._tell()

    async def _tell(self) -> None:
        endpoints = () if self._anywhere else tuple(self._untold)
        self._untold.clear()
        self._anywhere = False
        self._something.clear()
        await self._store.write(Wake(endpoints=endpoints))


class Listener:
    """The other end: `wake` an endpoint (None where nothing is delivered), `look` for due rows that are so many ms late at the
    endpoints of a page, which begins after one and answers where the next does, and read the `news`.
    """

    def __init__(
        self, store: Store, *, wake: Callable[[str, int], None] | None, look: Callable[[str, int], Awaitable[str | None]],
        news: Callable[[], None],
    ) -> None:  # fmt: skip
        self._store, self._wake, self._look, self._news = store, wake, look, news
        self._anywhere = asyncio.Event()
        self._looking = Ongoing("looking for due deliveries")

    async def listen(self) -> None:
        """Until cancelled."""
        hearing = Ongoing("hearing what other processes say", again=AGAIN_SECONDS)
        while True:
            async with hearing:
                self._heed(await self._store.heard())
            if hearing.failing:
                self._heed(Heard(anywhere=True))

    async def look_anywhere(self) -> None:
        """Until cancelled: look at every endpoint after a word that any may have due rows."""
        loop = asyncio.get_running_loop()
        while True:
            await self._anywhere.wait()
            self._anywhere.clear()
            began, after = loop.time(), await self._try_to_look("", 0)
            while after is not None:
                after = await self._try_to_look(after, 0)
            await asyncio.sleep((ANYWHERE_SHARE - 1) * (loop.time() - began))

    async def look_around(self) -> None:
        """Until cancelled: find what nobody spoke of. It looks less often where looking takes long."""
        loop, took, after = asyncio.get_running_loop(), 0.0, ""
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, SHARE * took))
            began = loop.time()
            after = await self._try_to_look(after, LATE_MS) or ""
            took = loop.time() - began

    def _heed(self, heard: Heard) -> None:
        if heard.news:
            self._news()
        if self._wake is None:
            return
        for endpoint in heard.endpoints:
            self._wake(endpoint, 0)
        if heard.anywhere:
            self._anywhere.set()

    async def _try_to_look(self, after: str, late_ms: int) -> str | None:
        async with self._looking:  # the next look makes up for one that fails
            return await self._look(after, late_ms)
        return None
