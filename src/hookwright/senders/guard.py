"""The address guard around aiohttp: what is judged where, and for how long a judgement holds.

Duty: no byte is ever sent to an address that `domain.addresses` refuses. A check of the URL alone would not do, for a
name may resolve to another address when it is connected to. So:

1. `GuardedResolver` judges a name before it is looked up, and then every address it resolves to; one bad address
   refuses the name, because a public and a private address side by side is how rebinding begins.
2. `GuardedConnector` judges the very address that a socket is about to connect to: literals never reach a resolver.
3. And once more the peer of the connected socket, in case 1 or 2 is ever bypassed by a change in the library.
4. The pool is keyed by host, not by address, so a kept connection would outlive a change in DNS for as long as it is
   busy. None is used for longer than `max_age`: that is the most by which we follow DNS late.

Refusals are OSErrors, as aiohttp expects of a failed connection, and say nothing of the address or the reason.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import AddrInfoType
from aiohttp.connector import Connection as AiohttpConnection
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.tracing import Trace

from hookwright.domain.addresses import Network, judge, judge_name
from hookwright.senders.lookups import Lookups

MAX_INFORMATIONAL = 8


class AddressBlocked(OSError):
    """Refused by us. One text for every reason: anything more would let customers map the network behind us."""

    def __init__(self) -> None:
        super().__init__("blocked")


class GuardedResolver(AbstractResolver):
    """Looks names up, and lets through only what may be connected to."""

    def __init__(self, lookups: Lookups, allowed: Sequence[Network]) -> None:
        self._lookups = lookups
        self._allowed = allowed

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Raises AddressBlocked, LookupTimedOut, or OSError when there is no address."""
        if judge_name(host, self._allowed) is not None:
            raise AddressBlocked
        addresses = await self._lookups.find(host)
        if any(judge(address, self._allowed) is not None for address in addresses):
            raise AddressBlocked
        if not addresses:
            raise OSError("no address")
        return [_as_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        return None


def _as_result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


class Connection(ResponseHandler):
    """A pooled connection that knows its age, and hangs up on what is no answer to a request.

    That is: an answer that never gets past `100 Continue` and its like, and one that comes unasked while the
    connection is idle. aiohttp would take the latter for the answer to the next request, and a message would count as
    delivered that nobody has read.

    `idle` holds the connector's unused ones; a connection that ends while it is in there takes itself out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: "set[Connection]") -> None:
        super().__init__(loop)
        self.opened_at = loop.time()
        self._idle = idle
        self._informational = 0

    def connection_lost(self, exc: BaseException | None) -> None:
        self._idle.discard(self)
        super().connection_lost(exc)

    def feed_data(self, data: Any, size: int = 0) -> None:
        self._informational = 0 if data[0].code >= 200 else self._informational + 1
        if self not in self._idle and self._informational <= MAX_INFORMATIONAL:
            super().feed_data(data, size)
            return
        self.set_exception(BadHttpMessage("not an answer to a request"))
        if self.transport is not None:
            self.transport.abort()


class GuardedConnector(aiohttp.TCPConnector):
    """Connections to judged addresses only, `limit` of them in use and as many idle, none used after `max_age` seconds.

    `keepalive` is how long an unused one is kept. It overrides two methods of aiohttp that are not public; the tests
    of rules 3 and 4 above fail when an upgrade renames them.
    """

    def __init__(
        self, resolver: AbstractResolver, allowed: Sequence[Network], tls: ssl.SSLContext, *, limit: int, keepalive: float, max_age: float
    ) -> None:
        super().__init__(
            resolver=resolver,
            # It would keep a lookup going for which nobody waits any more; `lookups` remembers the answers.
            use_dns_cache=False,
            ssl=tls,
            limit=limit,
            limit_per_host=0,
            keepalive_timeout=keepalive,
            socket_factory=self._open_socket,
        )
        self._allowed = allowed
        self._pool_until = max_age - keepalive
        self._idle: set[Connection] = set()
        self._factory = functools.partial(Connection, loop=self._loop, idle=self._idle)  # type: ignore[assignment]  # narrower, on purpose

    def _open_socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if judge(str(address[0]), self._allowed) is not None:
            raise AddressBlocked
        return socket.socket(family, kind, protocol)

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> AiohttpConnection:
        connection = await super().connect(req, traces, timeout)
        if isinstance(connection.protocol, Connection):
            self._idle.discard(connection.protocol)
        return connection

    async def _create_connection(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> ResponseHandler:
        protocol = await super()._create_connection(req, traces, timeout)
        peer = protocol.transport.get_extra_info("peername") if protocol.transport is not None else None
        if not peer or judge(str(peer[0]), self._allowed) is not None:
            protocol.abort()
            raise aiohttp.ClientConnectorError(req.connection_key, AddressBlocked())
        return protocol

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if should_close:
            # It broke, was cut off or ran out of time: a polite end, which over TLS waits for the peer's, is not owed.
            protocol.abort()
        should_close = should_close or protocol.should_close or not protocol.is_connected() or not self._may_keep(protocol)
        super()._release(key, protocol, should_close=should_close)
        if isinstance(protocol, Connection) and not should_close:
            self._idle.add(protocol)

    def _may_keep(self, protocol: ResponseHandler) -> bool:
        # aiohttp does not count idle connections against `limit`: many hosts in turn would mean many sockets.
        if len(self._idle) >= self._limit:
            return False
        return not isinstance(protocol, Connection) or self._loop.time() - protocol.opened_at <= self._pool_until
