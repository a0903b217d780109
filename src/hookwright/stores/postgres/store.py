"""The `Store` over PostgreSQL.

Four ways in, by what must not wait for what: messages are accepted in groups on one connection, attempts are settled on
another, the lease is renewed on a third, everything else takes one of a few more.

Commands that read before they write do so serializably: who loses against another is carried out again, unseen. What only
moves rows that are its own (claims, slices of the janitor) locks them and passes over what others have locked.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast, overload

from hookwright.errors import CallerError, StoreUnavailable
from hookwright.store import Command, Once, Query, Remembered
from hookwright.store.deliveries import CancelDeliveries, ClaimDue, ClaimedRows, Forget, Release, Resend, Settle
from hookwright.store.endpoints import UpdateEndpoint
from hookwright.store.health import TakeTurns
from hookwright.store.messages import CancelMessage, CreateMessage, CreateMessages, ExpungeContent
from hookwright.store.nodes import CloseNode, OpenNode, RenewLease, TakeOver
from hookwright.store.notices import RemoveNotices
from hookwright.store.retention import Erase, Maintain, RemoveMessages, RemoveRecords
from hookwright.store.seals import ReplaceSeals
from hookwright.store.tasks import ContinueTasks
from hookwright.store.wakeups import Heard, Wake
from hookwright.stores.postgres import deliveries, messages, nodes, retention, seals
from hookwright.stores.postgres.batches import Batches
from hookwright.stores.postgres.connections import MOST_IDLE_MS, Address, Line, Lines, opening
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.doubts import Doubts, claimed_by
from hookwright.stores.postgres.faults import AGAIN, LOST, PASSING, unavailable
from hookwright.stores.postgres.listening import CHANNEL, Ear
from hookwright.stores.postgres.old_days import OldDays
from hookwright.stores.postgres.partitions import make_days
from hookwright.stores.postgres.schema import migrate
from hookwright.stores.postgres.servers import check_server
from hookwright.stores.sql import handlers
from hookwright.stores.sql.db import UniqueViolated
from hookwright.stores.sql.idempotency import perform
from hookwright.stores.sql.items import Item, tell
from hookwright.stores.sql.registry import READERS, WRITERS

R = TypeVar("R")
LINES = 3
"""For changes, and as many for lists: neither can keep the other waiting."""
URGENT_LINES = 2
TRIES = 12
OUTRUN = 4
"""After so many tries a command that takes places in an order keeps all others from taking any until it is done. Who accepts messages
for an ordered endpoint without a pause would otherwise be there before it each time, between its snapshot and its turn.
"""
REST, LONGEST_REST = 0.002, 0.2
"""Who lost stands aside for a moment by chance, about twice as long each time: in seconds. All rests together: under 1.4."""
SAY = f"select pg_notify('{CHANNEL}', $1)"

OWN: dict[type, Callable[[Any, Any], Coroutine[Any, Any, Any]]] = {
    OpenNode: nodes.open_node,
    TakeOver: nodes.take_over,
    CloseNode: nodes.close_node,
    ReplaceSeals: seals.replace,
    ClaimDue: deliveries.claim_due,
    CancelDeliveries: retention.cancel_deliveries,
    Forget: retention.forget,
    CreateMessages: messages.create_many,
    RemoveMessages: retention.remove_messages,
    RemoveRecords: retention.remove_records,
    Erase: retention.erase,
}
"""Commands that are carried out differently here."""
LOOSE = frozenset({*OWN, CancelMessage, ExpungeContent, RemoveNotices, TakeTurns} - {CreateMessages})
"""Commands that lock what they change: with them nothing is gained by serializability, and much is lost."""
PLACING: tuple[type, ...] = (CreateMessages, Resend, ContinueTasks, UpdateEndpoint)
KEEP_PLACES = "lock table endpoint_positions in share row exclusive mode"
"""First of all: what is locked before anything is read is read as it is then. Who claims is not kept from it."""
URGENT: tuple[type, ...] = (OpenNode, TakeOver, CloseNode)
"""Commands for which deliveries wait: they do not wait behind lists."""

HANDLERS = (handlers,)
"""Imported for what they register."""


class PostgresStore:
    """Made by `open_store`; used from the event loop that made it."""

    def __init__(self, address: Address) -> None:
        self._accepting = Line(address, messages.make_ready)
        self._settling = Line(address, deliveries.make_ready)
        self._renewing = Line(address)
        self._changes = Lines(address, LINES)
        self._bulk = Lines(address, 1)
        self._lists = Lines(address, LINES)
        self._urgent = Lines(address, URGENT_LINES)
        self._messages = Batches[CreateMessage](self._accepting, self._create)
        self._doubts = Doubts()
        self._old_days = OldDays()
        self._ear = Ear(address)

    @overload
    async def write(self, command: Command[R], *, once: None = None, on_commit: Callable[[R], None] | None = None) -> R: ...

    @overload
    async def write(self, command: Command[R], *, once: Once[R] | None, on_commit: Callable[[R], None] | None = None) -> R | Remembered: ...

    async def write(
        self, command: Command[R], *, once: Once[R] | None = None, on_commit: Callable[[R], None] | None = None
    ) -> R | Remembered:
        if isinstance(command, CreateMessage):
            return cast(R | Remembered, await self._messages.submit(command, once, cast(Any, on_commit)))
        return cast(R | Remembered, await asyncio.shield(self._write(command, once, cast(Any, on_commit))))

    async def _write(self, command: Command[Any], once: Once[Any] | None, on_commit: Callable[[Any], None] | None) -> Any:
        """Shielded: a caller that leaves must not leave a command half-way, nor its commit untold."""
        if isinstance(command, Settle):
            result: Any = await _translated(self._settling.use(lambda connection: deliveries.settle(connection, command)))
        elif isinstance(command, Release):
            await _translated(self._settling.use(lambda connection: self._doubts.release(connection, command)))
            result = None
        elif isinstance(command, ClaimDue):
            result = await _translated(self._claim(command))
        elif isinstance(command, RenewLease):
            result = await _translated(self._renew(command))
        elif isinstance(command, Maintain):
            async with self._changes.one() as line:
                result = await _translated(line.use(lambda connection: retention.maintain(connection, command, self._old_days)))
        elif isinstance(command, Wake):
            await self._say(command)
            result = None
        else:
            result = await self._transact(command, once)
        if isinstance(command, TakeOver):
            await _translated(self._doubts.resolve(self._urgent))
            result += self._doubts.freed()
        tell(command, on_commit, result)
        return result

    async def _renew(self, command: RenewLease) -> bool:
        async with asyncio.timeout(command.within):
            return await self._renewing.use(lambda connection: nodes.renew(PostgresDb(connection), command))

    async def _claim(self, command: ClaimDue) -> ClaimedRows:
        async with self._doubts.resolved(self._urgent):
            result: ClaimedRows = await self._transact(command, None)
            self._doubts.held(result)
        return result

    async def _transact(self, command: Command[Any], once: Once[Any] | None) -> Any:
        isolation = "read_committed" if type(command) in LOOSE else "serializable"
        tries, beaten = 0, False

        async def carry_out(connection: Any) -> Any:
            result: Any = None
            try:
                async with connection.transaction(isolation=isolation):
                    if tries >= OUTRUN and type(command) in PLACING:
                        await connection.execute(KEEP_PLACES)
                    db = PostgresDb(connection)
                    result = await perform(db, OWN.get(type(command)) or WRITERS[type(command)], command, once)
            except AGAIN:  # nothing was claimed, and the next try will claim the same: that must not be taken from it
                raise
            except BaseException:
                self._doubts.add(connection, claimed_by(result))
                raise
            return result

        lines = self._urgent if type(command) in URGENT else self._bulk if type(command) is CreateMessages else self._changes
        while True:
            try:
                async with lines.one() as line:
                    return await _translated(line.use(carry_out), passing=AGAIN)
            except CallerError as error:
                if beaten or not isinstance(error.__cause__, UniqueViolated):
                    raise
                beaten = True  # by one that was not there to be read: a repetition of this request, perhaps, whose answer is kept
            except (*AGAIN, UniqueViolated) as error:
                tries += 1
                if tries == TRIES:
                    raise unavailable(error) from error
                await asyncio.sleep(_rest(tries))

    async def read(self, query: Query[R]) -> R:
        handler = READERS[type(query)]

        async def carry_out(connection: Any) -> Any:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await handler(cast(Any, PostgresDb(connection)), query)

        lines = self._urgent if query.urgent else self._lists
        async with lines.one() as line:
            return cast(R, await _translated(line.use(carry_out)))

    async def heard(self) -> Heard:
        return await self._ear.heard()

    async def _say(self, command: Wake) -> None:
        async with self._changes.one() as line:
            await _translated(line.use(lambda connection: connection.execute(SAY, self._ear.word(command.endpoints))))

    async def make_ready(self) -> None:
        """Make ready what messages and attempts are written with, so that the first ones wait no longer than others."""
        with suppress(StoreUnavailable):  # who needs it will be told
            for line in (self._accepting, self._settling):
                await _translated(line.open())

    async def _create(self, connection: Any, items: list[Item[CreateMessage]]) -> None:
        try:
            await messages.create(connection, items)
        except BaseException:  # whatever went wrong after the commit: nobody holds what it claimed
            self._doubts.add(connection, (delivery for item in items for delivery in item.command.deliveries))
            raise

    async def close(self) -> None:
        await self._messages.drain()
        parts = self._ear, self._accepting, self._settling, self._renewing, self._changes, self._bulk, self._lists, self._urgent
        await asyncio.gather(*(part.close() for part in parts))  # each takes its time when nobody answers


def _rest(tries: int) -> float:
    return min(LONGEST_REST, REST * 2.0**tries) * random.random()  # noqa: S311  # nobody gains by guessing it


async def _translated(work: Awaitable[R], *, passing: tuple[type[Exception], ...] = ()) -> R:
    """What PostgreSQL refuses, as an error of the store; except what is `passing`."""
    try:
        return await work
    except (*LOST, *PASSING) as error:
        if isinstance(error, passing):
            raise
        raise unavailable(error) from error


@asynccontextmanager
async def open_store(
    url: str, *, pooled: bool = False, lease_ms: int = MOST_IDLE_MS, ready: bool = False, now: int
) -> AsyncIterator[PostgresStore]:
    """A store for the length of a block, its schema up to date; `ready` for many messages at once. Raises StoreRefused."""
    address = Address(url, pooled=pooled, lease_ms=lease_ms)
    async with opening(address) as connection:
        await check_server(connection)
        await migrate(connection)
        await make_days(connection, now)
    store = PostgresStore(address)
    try:
        if ready:
            await store.make_ready()
        yield store
    finally:
        await asyncio.shield(store.close())
