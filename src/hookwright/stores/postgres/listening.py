"""What processes say to each other: NOTIFY, and a connection of its own that listens.

A word is no more than a hint: it is sent after the commit that it is about, and lost with a connection. Whoever missed some is
told to look anywhere. Behind a pooler nothing can be listened to: there it is a clock that says so, twice a second.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import asyncpg

from hookwright.store.wakeups import Heard
from hookwright.stores.postgres.connections import CONNECT_SECONDS, Address
from hookwright.stores.postgres.faults import LOST, unavailable

CHANNEL = "hookwright"
ANYWHERE, NEWS = "*", "news"
"""What a word may be, beside a name of who says it and ids of endpoints. Triggers say `news`."""
MOST_BYTES = 7_999
"""Of one word, by PostgreSQL's own bound."""
POLL_SECONDS = 0.5
PING_SECONDS = 5.0
"""Often enough that a connection which is dead without saying so is missed no longer than the janitor takes to look by itself."""


class Ear:
    """Made for one store, whose own words it does not hear."""

    def __init__(self, address: Address) -> None:
        self.name = uuid4().hex
        self._address = address
        self._connection: Any = None
        self._ended = False
        self._something = asyncio.Event()
        self._endpoints: set[str] = set()
        self._anywhere = self._news = False

    def word(self, endpoints: Iterable[str]) -> str:
        """For the channel: these endpoints, or anywhere if there are none or too many."""
        word = " ".join((self.name, *endpoints))
        return word if " " in word and len(word.encode()) <= MOST_BYTES else f"{self.name} {ANYWHERE}"

    async def heard(self) -> Heard:
        """Wait until something was said. Raises StoreUnavailable, after which it begins to listen anew."""
        if self._address.pooled:
            await asyncio.sleep(POLL_SECONDS)
            return Heard(anywhere=True)
        try:
            if self._connection is None:
                await self._listen()
                return Heard(anywhere=True, news=True)  # whatever was said before
            while not self._something.is_set():
                await self._wait()
            return self._take()
        except (asyncpg.PostgresError, asyncpg.InternalClientError, *LOST) as error:
            await self.close()
            raise unavailable(error) from error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*LOST):
                await connection.close(timeout=CONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await self._address.connect()
        try:
            connection.add_termination_listener(self._hear_the_end)
            await connection.add_listener(CHANNEL, self._hear)
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._ended = connection, False
        self._something.clear()

    async def _wait(self) -> None:
        """For a word, or until it is time to see whether any could be heard."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._something.wait()
        except TimeoutError:
            await self._connection.execute("select 1", timeout=PING_SECONDS)

    def _hear(self, _connection: object, _pid: int, _channel: str, word: str) -> None:
        who, *said = word.split(" ")
        if who == self.name:
            return
        if who == NEWS:
            self._news = True
        elif said == [ANYWHERE]:
            self._anywhere = True
        else:
            self._endpoints.update(said)
        self._something.set()

    def _hear_the_end(self, connection: object) -> None:
        if connection is self._connection:
            self._ended = True
            self._something.set()

    def _take(self) -> Heard:
        """Raises InterfaceError when it was the connection's end that woke us."""
        self._something.clear()
        if self._ended:
            raise asyncpg.InterfaceError("the connection that listens was closed")
        heard = Heard(frozenset(self._endpoints), self._anywhere, self._news)
        self._endpoints.clear()
        self._anywhere = self._news = False
        return heard
