"""The connections of the sender: which one a request gets, how many there are, and how long an unused one is kept.

Duty: sockets are bounded in number whatever hosts there are, nobody waits while there is room, and who waits is served
in turn. Rules:

1. At most `limit` are in use or being made, and as many unused. One request more waits; one unused more is closed.
2. Connections are kept by scheme, host, port and TLS identity: one that was made with an identity is never used for another.
   Not by address, so a kept one would outlive a change in DNS for as long as it is busy. None is used for longer than
   `max_age`: that is the most by which we follow DNS late.
3. An unused one is closed after `keepalive` seconds, and not used so long if its receiver announced to close it sooner. The one
   used last is used next, so that the others come to their end.
"""

import asyncio
from collections import OrderedDict

from hookwright.sender import TlsIdentity
from hookwright.senders.answers import Answers
from hookwright.senders.connections import Connection, Key
from hookwright.senders.dialing import Dialer
from hookwright.senders.faults import CLOSED, Unreached
from hookwright.senders.requests import Target
from hookwright.senders.timeouts import Timeouts


class Pool:
    """Durations are seconds. `read_limit` and `stored_limit` are those of `Answers`."""

    def __init__(self, dialer: Dialer, *, limit: int, keepalive: float, max_age: float, read_limit: int, stored_limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._dialer = dialer
        self._limit = limit
        self._keepalive, self._keep_until = keepalive, max_age - keepalive
        self._read_limit, self._stored_limit = read_limit, stored_limit
        self._in_use = 0
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._unused: dict[Key, list[Connection]] = {}
        self._kept = Timeouts[Connection](self._loop, keepalive, self._outlive)
        self._open: set[Connection] = set()
        self._closed = False

    def take(self, target: Target, tls: TlsIdentity | None = None) -> Connection | None:
        """An unused connection, if there is one and it is nobody else's turn."""
        if self._in_use >= self._limit:
            return None
        connection = self._pop(_key(target, tls))
        if connection is not None:
            self._in_use += 1
        return connection

    async def open(self, target: Target, tls: TlsIdentity | None = None, *, new: bool = False) -> Connection:
        """A connection, as soon as there is room for one; not one that was used before if it is to be `new`. Raises Unreached."""
        await self._enter()
        try:
            if self._closed:
                raise Unreached(CLOSED)
            key = _key(target, tls)
            return (None if new else self._pop(key)) or await self._make(target, tls, key)
        except BaseException:
            self._leave()
            raise

    def release(self, connection: Connection, *, reusable: bool) -> None:
        if reusable and len(self._kept) < self._limit and self._loop.time() - connection.opened_at <= self._keep_until:
            self._kept.add(connection)
            self._unused.setdefault(connection.key, []).append(connection)
        else:
            connection.abort()
        self._leave()

    def forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._kept.remove(connection) is not None:
            self._take_out(connection)

    def close(self) -> None:
        """Close every connection, in use or not; nothing is sent any more."""
        self._closed = True
        for connection in list(self._open):
            connection.fail(CLOSED)
        self._kept.close()

    def _pop(self, key: Key) -> Connection | None:
        while (same := self._unused.get(key)) is not None:
            connection = same.pop()
            if not same:
                del self._unused[key]
            due = self._kept.remove(connection)
            if due is not None and self._loop.time() < due - max(0.0, self._keepalive - connection.kept_seconds):
                return connection
            connection.abort()  # the loop was busy when it was due, or the receiver may be closing it just now
        return None

    async def _make(self, target: Target, tls: TlsIdentity | None, key: Key) -> Connection:
        connection = await self._dialer.dial(target, lambda: Connection(key, self, Answers(self._read_limit, self._stored_limit)), tls)
        self._open.add(connection)
        if self._closed:
            connection.fail(CLOSED)
            raise Unreached(CLOSED)
        return connection

    def _outlive(self, connection: Connection) -> None:
        self._take_out(connection)
        connection.abort()

    def _take_out(self, connection: Connection) -> None:
        key = connection.key
        same = self._unused[key]
        same.remove(connection)
        if not same:
            del self._unused[key]

    async def _enter(self) -> None:
        """Wait for room, in turn; what leaves gives its room to who has waited longest."""
        if self._in_use < self._limit:
            self._in_use += 1
            return
        turn = self._loop.create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(turn, turn) is turn and not turn.cancelled():
                self._leave()  # it was given room just before
            raise

    def _leave(self) -> None:
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._in_use -= 1


def _key(target: Target, tls: TlsIdentity | None) -> Key:
    return target[:3] if tls is None else (*target[:3], tls)
