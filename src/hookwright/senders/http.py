"""One attempt over HTTP/1.1.

Duty: whatever a receiver does, an attempt costs at most its deadline in time and `stored_limit` in memory, reaches only
addresses that may be reached, happens once, and ends as a value. Rules:

1. One deadline governs waiting for a connection, DNS, connecting, TLS, sending and reading. Timeouts per read would
   let a receiver that drips a byte at a time hold us for ever.
2. Nothing is followed, decoded or remembered: no redirects, no decompression (a bomb stays small), no cookies, no
   proxies or passwords from the environment.
3. What is left of an answer after `read_limit` is not drained; the connection is closed.
4. No second try inside a try. A kept connection that the receiver closed at the wrong moment is a Failure, and the
   schedule tries again: nobody can tell whether the request was read before. What nothing would make up for (`last`)
   goes out over a new connection.

The parts: `requests` writes, `answers` reads, `connections` does one exchange after another, `pool` keeps them, `dialing`
makes them behind the `guard` or by the operator's proxy (`tunnels`), as whom `identities` says, and `faults` has the words.
"""

import asyncio
import ssl

from hookwright.domain.egress import Egress
from hookwright.domain.proxies import Proxy
from hookwright.sender import Failure, Request, Response
from hookwright.senders.connections import Connection
from hookwright.senders.dialing import Dialer
from hookwright.senders.faults import UNUSABLE_URL, Unreached, late, unwritable
from hookwright.senders.guard import Guard
from hookwright.senders.identities import Contexts, tls_context
from hookwright.senders.lookups import Lookup, Lookups, system_lookup
from hookwright.senders.pool import Pool
from hookwright.senders.requests import Target, target_of, write_head
from hookwright.senders.timeouts import Timeouts
from hookwright.senders.tunnels import Tunnels


class HttpSender:
    """Implements `sender.Sender`. Belongs to the event loop in which it first sends.

    `egress`: where it may send; by `proxy`, if there is one, and by none that the environment names.
    `connections`: how many attempts can be on the wire at once; one more waits, within its deadline, so keep it at or above what the
    engine sends at once. `read_limit`, `stored_limit`: bytes of an answer that are read, and that are kept. Durations are seconds:
    `keepalive` is below the 5 s after which common receivers close an unused connection, so that we rarely meet them closing; a
    receiver that announces less has less.
    """

    def __init__(
        self,
        egress: Egress = Egress(),  # noqa: B008  # frozen
        *,
        proxy: Proxy | None = None,
        connections: int = 1000,
        read_limit: int = 65_536,
        stored_limit: int = 16_384,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = system_lookup,
        lookup_timeout: float = 5.0,
        connect_timeout: float = 10.0,
        keepalive: float = 4.0,
        max_age: float = 60.0,
    ) -> None:
        self._egress, self._proxy = egress, proxy
        self._connections = connections
        self._read_limit = read_limit
        self._stored_limit = stored_limit
        self._tls = tls or tls_context()
        self._lookup = lookup
        self._lookup_timeout = lookup_timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._max_age = max_age
        self._lookups: Lookups | None = None
        self._pool: Pool | None = None
        self._deadlines: dict[float, Timeouts[Connection]] = {}

    async def send(self, request: Request) -> Response | Failure:
        """One attempt, done within `request.deadline` seconds. Raises nothing but CancelledError."""
        try:
            target = target_of(request.url)
        except ValueError:
            return UNUSABLE_URL
        try:
            head = write_head(request.method, target.head, request.headers, len(request.body))
        except ValueError as error:
            return unwritable(error)
        pool = self._pool or self._open()
        connection = None if request.last else pool.take(target, request.tls)
        if connection is None:
            return await self._connect_and_send(pool, target, head, request)
        deadlines = self._deadlines.get(request.deadline)
        if deadlines is None:
            deadlines = self._new_deadlines(request.deadline)
        return await connection.exchange(head, request.body, deadlines, request.most)

    async def _connect_and_send(self, pool: Pool, target: Target, head: bytes, request: Request) -> Response | Failure:
        connection = None
        try:
            async with asyncio.timeout(request.deadline):
                connection = await pool.open(target, request.tls, new=request.last)
                return await connection.exchange(head, request.body, most=request.most)
        except Unreached as error:
            return error.failure
        except TimeoutError:
            return late(request.deadline, answered=connection is not None and connection.answered)

    async def close(self) -> None:
        """Close what is kept alive. The sender cannot be used afterwards."""
        for deadlines in self._deadlines.values():
            deadlines.close()
        if self._pool is not None:
            self._pool.close()
            await asyncio.sleep(0)  # the loop closes their sockets in its next turn
        if self._lookups is not None:
            self._lookups.close()

    def _open(self) -> Pool:
        self._lookups = Lookups(self._lookup, timeout=self._lookup_timeout)
        tunnels = None if self._proxy is None else Tunnels(self._proxy, self._lookups)
        guard = Guard(self._lookups, self._egress)
        dialer = Dialer(guard, Contexts(self._tls), timeout=self._connect_timeout, tunnels=tunnels)
        self._pool = Pool(
            dialer, limit=self._connections, keepalive=self._keepalive, max_age=self._max_age,
            read_limit=self._read_limit, stored_limit=self._stored_limit,
        )  # fmt: skip
        return self._pool

    def _new_deadlines(self, seconds: float) -> Timeouts[Connection]:
        for unused in [each for each, deadlines in self._deadlines.items() if not deadlines]:
            self._deadlines.pop(unused).close()
        loop = asyncio.get_running_loop()
        deadlines = self._deadlines[seconds] = Timeouts[Connection](loop, seconds, lambda connection: connection.expire(seconds))
        return deadlines
