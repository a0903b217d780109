"""From a host to a connection: its addresses one after another, then TLS.

Duty: a host of which one address is dead is reached by another soon, an attempt to connect ends after `timeout` seconds
however many there are, and no socket outlives the attempt that it was opened for. The next address is tried when one has
failed, or has said nothing for `STAGGER` seconds (RFC 8305, 5); the first that connects is used.

TLS begins as a step of its own, because only then can the peer be judged before it is sent a byte.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence

from hookwright.sender import TlsIdentity
from hookwright.senders.connections import Connection, Make
from hookwright.senders.faults import LATE_CONNECTION, UNREACHABLE, UNUSABLE_URL, Unreached, of_connecting, of_handshake
from hookwright.senders.guard import Guard
from hookwright.senders.identities import Contexts
from hookwright.senders.requests import Target
from hookwright.senders.tunnels import Tunnels

STAGGER = 0.25


class Dialer:
    """`timeout`: seconds for connecting and TLS together; a lookup has its own. With `tunnels` there is no other way out."""

    def __init__(self, guard: Guard, contexts: Contexts, *, timeout: float, tunnels: Tunnels | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._guard = guard
        self._contexts = contexts
        self._timeout = timeout
        self._tunnels = tunnels

    async def dial(self, target: Target, make: Make, tls: TlsIdentity | None = None) -> Connection:
        """A connection, made by `make`, over which nothing was sent yet. Raises Unreached."""
        addresses: Sequence[str] = ()
        if self._tunnels is None:
            addresses = await self._guard.addresses(target.host, target.port)
        else:
            self._guard.check_host(target.host, target.port)
        try:
            async with asyncio.timeout(self._timeout):
                context = await self._contexts.of(tls) if target.secure else None
                connection = await (self._tunnels.open(target, make) if self._tunnels else self._reach(addresses, target.port, make))
                if context is not None:
                    await self._secure(connection, target.host, context)
        except TimeoutError:
            raise Unreached(LATE_CONNECTION) from None
        if connection.fault is not None:
            raise Unreached(connection.fault)
        return connection

    async def _reach(self, addresses: Sequence[str], port: int, make: Make) -> Connection:
        if len(addresses) == 1:
            return await self._connect(addresses[0], port, make)
        left, waiting, failure = deque(addresses), set[asyncio.Task[Connection]](), Unreached(UNREACHABLE)
        try:
            while left or waiting:
                if left:
                    waiting.add(self._loop.create_task(self._connect(left.popleft(), port, make)))
                done, _ = await asyncio.wait(waiting, timeout=STAGGER if left else None, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    waiting.discard(attempt)
                    try:
                        return attempt.result()
                    except Unreached as error:
                        failure = error
        finally:
            for attempt in waiting:
                attempt.cancel()
                attempt.add_done_callback(_hang_up)
        raise failure

    async def _connect(self, address: str, port: int, make: Make) -> Connection:
        self._guard.check(address, port)
        try:
            transport, connection = await self._loop.create_connection(make, address, port)
        except OSError as error:
            raise Unreached(of_connecting(error)) from None
        peer = transport.get_extra_info("peername")
        try:
            if not peer:  # it was reset meanwhile: that is the peer's doing, and not the guard's
                raise Unreached(UNREACHABLE)
            self._guard.check(str(peer[0]), port)
        except Unreached:
            transport.abort()
            raise
        return connection

    async def _secure(self, connection: Connection, host: str, context: ssl.SSLContext) -> None:
        raw = connection.transport
        if raw.is_closing():  # the loops wait for the handshake of a dead connection, and uvloop logs it as its own fault
            raise Unreached(connection.fault or UNREACHABLE)
        try:
            transport = await self._loop.start_tls(raw, connection, context, server_hostname=host.rstrip("."))
            if transport is None:  # closed meanwhile
                raise Unreached(UNREACHABLE)
            connection.meter(transport)
        except BaseException as error:
            raw.abort()
            if isinstance(error, OSError):
                raise Unreached(of_handshake(error)) from None
            if isinstance(error, ValueError):  # a host that can be no server's name
                raise Unreached(UNUSABLE_URL) from None
            raise


def _hang_up(attempt: asyncio.Task[Connection]) -> None:
    """It came too late, or not at all."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().abort()
