"""Connections by an operator's forward proxy: HTTP CONNECT (RFC 9110, 9.3.6), for http and https alike.

Duty: with a proxy there is no other way out, and whose fault a failure is stays clear. Rules:

1. The way to the proxy is the operator's, who named it: the guard does not judge it. What is behind it is judged as far as it can
   be without a lookup, because the proxy resolves: literals, local names and ports. It must refuse the rest (docs/egress.md).
2. A proxy that cannot be reached or that refuses us is a fault of ours, costs no attempt, and keeps everybody back. Where it says by
   a header that the target is to blame it is the target's: that would be tried without end otherwise.
3. A proxy that says nothing, but had a way for another host a moment ago, refuses this one: else a customer whose target it refuses
   could keep everybody back. What it refuses by a 4xx is the target's fault; for a 5xx nobody is blamed, but the attempt is over.
4. A target that the proxy must not reach and one that does not exist are told of in the same words, as by the guard.
5. Nothing that came before the tunnel was asked for counts as an answer of the target.
"""

import asyncio
import re
from collections import OrderedDict
from contextlib import suppress
from typing import cast

from hookwright.domain.addresses import is_address
from hookwright.domain.proxies import Proxy
from hookwright.sender import Failure
from hookwright.senders.connections import Connection, Make
from hookwright.senders.faults import (
    BLOCKED_NAME,
    NO_ADDRESS,
    NO_TUNNEL,
    PROXY_MALFORMED,
    PROXY_UNREACHED,
    UNREACHABLE,
    Unreached,
    of_proxy,
)  # fmt: skip
from hookwright.senders.lookups import Lookups
from hookwright.senders.requests import USER_AGENT, Target

CONNECT_SECONDS = 5.0
"""For a connection to the proxy, which is near."""
MAX_HEAD = 16_384
WORKING_SECONDS = 10.0
"""For so long after it opened a tunnel a proxy is known to work."""
AUTHENTICATION_REQUIRED = 407
"""Of a proxy that says no more this is about our credentials, and never about a target."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
_SMOKESCREEN = b"x-smokescreen-error"
_LOOKUP = re.compile(rb"\blookup |\bresolve ")
"""How Go, and Smokescreen itself, begin to tell of a name that has no address."""
_PROXY_STATUS = re.compile(rb"\berror=([a-z_]+)")
_ERRORS = {
    # RFC 9209, 2.3
    b"dns_error": NO_ADDRESS, b"dns_timeout": NO_ADDRESS, b"destination_not_found": NO_ADDRESS, b"destination_unavailable": UNREACHABLE,
    b"destination_ip_unroutable": UNREACHABLE, b"connection_refused": UNREACHABLE, b"connection_timeout": UNREACHABLE,
    b"connection_terminated": UNREACHABLE, b"destination_ip_prohibited": BLOCKED_NAME,
    # Squid's X-Squid-Error
    b"ERR_DNS_FAIL": NO_ADDRESS, b"ERR_CONNECT_FAIL": UNREACHABLE,
}  # fmt: skip


class Tunnels:
    def __init__(self, proxy: Proxy, lookups: Lookups) -> None:
        self._loop = asyncio.get_running_loop()
        self._proxy, self._lookups = proxy, lookups
        self._opened: OrderedDict[str, float] = OrderedDict()
        """The last two hosts to which there was a way, and when."""

    async def open(self, target: Target, make: Make) -> Connection:
        """A connection, made by `make`, over which nothing was sent to the target yet. Raises Unreached."""
        transport, answer = await self._reach()
        try:
            transport.write(self._ask(target))
            head = await answer.head
            if head is None or transport.is_closing():
                raise Unreached(PROXY_MALFORMED)
            self._judge(head, target.host)
            connection = make()
            transport.set_protocol(connection)
            connection.connection_made(transport)
            transport.resume_reading()
        except BaseException:
            transport.abort()
            raise
        return connection

    async def _reach(self) -> "tuple[asyncio.Transport, _Answer]":
        with suppress(OSError):  # so is what was not over in time
            async with asyncio.timeout(CONNECT_SECONDS):
                addresses = await self._addresses()
                for address in addresses:
                    with suppress(OSError):
                        async with asyncio.timeout(CONNECT_SECONDS / len(addresses)):
                            return await self._loop.create_connection(_Answer, address, self._proxy.port)
        raise Unreached(PROXY_UNREACHED)

    async def _addresses(self) -> tuple[str, ...]:
        host = self._proxy.host
        return (host,) if is_address(host) else tuple(await self._lookups.find(host))

    def _ask(self, target: Target) -> bytes:
        host = f"[{target.host}]" if ":" in target.host else target.host.rstrip(".")
        lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}", f"User-Agent: {USER_AGENT}"]
        if self._proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        return "\r\n".join([*lines, "", ""]).encode()

    def _judge(self, answer: bytes, host: str) -> None:
        """Returns when there is a tunnel to the host. Raises Unreached."""
        head, _, rest = answer.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        found = _STATUS.fullmatch(first)
        if found is None:
            raise Unreached(PROXY_MALFORMED)
        status = int(found[1])
        if status // 100 != 2:
            fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            raise Unreached(_targets_fault(status, fields) or self._unsaid(status, fields, host))
        if rest:  # neither HTTP nor TLS lets a server begin
            raise Unreached(PROXY_MALFORMED)
        self._opened[host] = self._loop.time()
        self._opened.move_to_end(host)
        if len(self._opened) > 2:
            self._opened.popitem(last=False)

    def _unsaid(self, status: int, fields: dict[bytes, bytes], host: str) -> Failure:
        """Whose fault a refusal is that does not say so."""
        since = self._loop.time() - WORKING_SECONDS
        works = any(at > since for other, at in self._opened.items() if other != host)
        if not works or (status == AUTHENTICATION_REQUIRED and _SMOKESCREEN not in fields):
            return of_proxy(status)
        return BLOCKED_NAME if status < 500 else NO_TUNNEL


class _Answer(asyncio.Protocol):
    """Reads the head of the proxy's answer, and not a byte of what comes behind it. `head` is None when there is none."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self.head: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self.head.done():
            return
        if b"\r\n\r\n" in self._read:
            self._transport.pause_reading()
            self._end(bytes(self._read))
        elif len(self._read) > MAX_HEAD:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(None)

    def eof_received(self) -> None:
        self._end(None)

    def _end(self, head: bytes | None) -> None:
        if not self.head.done():
            self.head.set_result(head)


def _targets_fault(status: int, fields: dict[bytes, bytes]) -> Failure | None:
    """What the proxy says about the target, if it does."""
    smokescreen = fields.get(_SMOKESCREEN)
    if smokescreen is not None:
        if b"destination address" in smokescreen.lower():
            return BLOCKED_NAME
        if status not in (502, 504):
            return None
        return NO_ADDRESS if _LOOKUP.search(smokescreen) else UNREACHABLE
    named = _PROXY_STATUS.search(fields.get(b"proxy-status", b""))
    word = named[1] if named else fields.get(b"x-squid-error", b"").partition(b" ")[0]
    return _ERRORS.get(word)
