"""Connections: how they are made, kept, and given up when they break.

Two ways to reach a database, for everything in this store:

* direct (the default): prepared statements are kept, limits of time are set for the session;
* pooled (`HOOKWRIGHT_DATABASE_POOLED=true`, for pgbouncer in transaction mode): a connection is ours for one transaction
  only, so nothing is prepared, nothing is set, and nothing is listened to. A statement alone is one transaction there too: asyncpg
  asks for no synchronisation between parsing and executing it.

A connection that broke is closed and made anew at the next use: an outage of any kind ends by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

from hookwright.stores.postgres.faults import LOST, REFUSALS, refusal

R = TypeVar("R")
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 15.0
"""Longer than the server's own limits: it is reached when nobody answers any more."""
SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "jit": "off",
    "enable_seqscan": "off",  # a plan is kept; one of a moment when nothing waits would read all that waits later, for each row
    "enable_sort": "off",  # lists are read in the order of an index; a plan for any values believes that sorting costs little
}
MOST_IDLE_MS = 5_000
"""In the middle of a transaction."""

ONE_PLAN = "set plan_cache_mode = force_generic_plan"
"""For a statement that has one good plan whatever its values are: it is made at once, not tried five times for single values."""


class Address:
    """Where the database is, and whether a pooler stands before it."""

    def __init__(self, url: str, *, pooled: bool = False, lease_ms: int = MOST_IDLE_MS) -> None:
        """A process that freezes in the middle of a transaction keeps its locks no longer than `lease_ms`, its lease."""
        self.url, self.pooled = url, pooled
        self._session = {} if pooled else SESSION | {"idle_in_transaction_session_timeout": f"{min(lease_ms, MOST_IDLE_MS)}ms"}

    async def connect(self) -> Any:
        """A fresh connection. Raises what `faults` knows."""
        name = f"hookwright {uuid4().hex}"
        connection = await asyncpg.connect(
            self.url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            statement_cache_size=0 if self.pooled else 1000,
            server_settings={"application_name": name} | self._session,
            connection_class=_Connection,
        )
        connection.name = name
        return connection


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Nothing of a session is changed by its users, so there is nothing to reset between two of them."""

    name = ""
    """Its own, by which another connection finds its session."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def opening(address: Address) -> AsyncIterator[Any]:
    """A connection for a moment, to look or to bring up to date. Raises StoreRefused for whatever stands in the way."""
    try:
        connection = await address.connect()
        try:
            yield connection
        finally:
            with suppress(*LOST):
                await connection.close(timeout=CONNECT_SECONDS)
    except REFUSALS as error:
        raise refusal(error) from error


class Line:
    """One connection, for one user at a time."""

    def __init__(self, address: Address, make_ready: Callable[[Any], Awaitable[None]] | None = None) -> None:
        """`make_ready` is called with each connection that is made, unless it is pooled: there nothing can be prepared."""
        self._address, self._make_ready = address, make_ready
        self._connection: Any = None
        self._free = asyncio.Lock()

    async def use(self, work: Callable[[Any], Awaitable[R]]) -> R:
        """The result of `work`. What it raises goes on; a connection that broke, or was left in its middle, is given up."""
        async with self._free:
            fresh = self._connection is None or self._connection.is_closed()
            if fresh:
                self._connection = await self._address.connect()
            try:
                if fresh and self._make_ready is not None and not self._address.pooled:
                    await self._make_ready(self._connection)
                return await work(self._connection)
            except (*LOST, asyncio.CancelledError):
                self._connection.terminate()
                self._connection = None
                raise

    async def open(self) -> None:
        """Connect and prepare now what would be at the first use. Raises what that would."""
        await self.use(_nothing)

    async def close(self) -> None:
        """Whatever is under way ends by itself or, if it has no limit, is given up."""
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            if self._connection is not None:
                self._connection.terminate()
            return
        try:
            if self._connection is not None:
                with suppress(*LOST):
                    await self._connection.close(timeout=CONNECT_SECONDS)
        finally:
            self._free.release()


async def _nothing(connection: Any) -> None:
    pass


class Lines:
    """Some connections, each made when it is needed, for whoever comes first."""

    def __init__(self, address: Address, most: int) -> None:
        self._idle = [Line(address) for _ in range(most)]
        self._all = tuple(self._idle)
        self._places = asyncio.Semaphore(most)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Line]:
        async with self._places:
            line = self._idle.pop()
            try:
                yield line
            finally:
                self._idle.append(line)

    async def close(self) -> None:
        await asyncio.gather(*(line.close() for line in self._all))
