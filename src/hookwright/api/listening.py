"""How an address is had: by one process, or by several that share its port.

Processes that share a port listen on a socket each (SO_REUSEPORT), and the kernel gives every connection to one of them by its
hash. One socket that all of them accept from is not fair: whoever is awake takes what there is. Of 64 connections that were opened
at once, two processes took between 39 and 64 / between 0 and 25 that way, and 35 to 39 / 25 to 29 with a socket each; of four
processes one took all of them, and 14 to 22. Connections to an API are kept, so that does not even out later.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

from hookwright.errors import ConfigurationError

BACKLOG = 2048
"""Connections the kernel holds while we are busy; it cuts this to `net.core.somaxconn` by itself."""

LOOKUP_SECONDS = 3.0
"""How long the name of our own host may take to be found. The system's resolver would try for half a minute."""


async def listen(
    factory: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    sockets: Sequence[socket.socket] | None = None,
    *,
    shared: bool = False,
) -> list[asyncio.Server]:
    """Accept connections at an address, or from `sockets`. Raises ConfigurationError when the address cannot be had."""
    loop = asyncio.get_running_loop()
    with _named(host, port):
        if sockets is not None:
            return [await loop.create_server(factory, sock=each, backlog=BACKLOG) for each in sockets]
        return [await loop.create_server(factory, await _addresses(host), port, backlog=BACKLOG, reuse_port=shared or None)]


async def hold(host: str, port: int) -> list[socket.socket]:
    """Keep a port for processes that are to share it, one socket for each of the host's addresses; none of them listens.

    A port that another server listens on is refused, though it be one that would share it. Raises ConfigurationError.
    """
    with _named(host, port):
        addresses = await _addresses(host)
        for address in addresses:
            _bound(address, port, shared=False).close()
        held: list[socket.socket] = []
        for address in addresses:
            held.append(_bound(address, port, shared=True))
            port = held[0].getsockname()[1]
        return held


def _bound(address: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except BaseException:
        bound.close()
        raise
    return bound


@contextlib.contextmanager
def _named(host: str, port: int) -> Iterator[None]:
    """What stands in the way of an address, with the settings that name it."""
    if not 0 <= port <= 65_535:  # uvloop would listen on the remainder
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host}, HOOKWRIGHT_PORT={port}: a port is at most 65535")
    try:
        yield
    except TimeoutError as error:
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host}: no name server has answered for {LOOKUP_SECONDS:g} s") from error
    except OSError as error:
        known = error.errno is not None and not isinstance(error, socket.gaierror)
        cause = os.strerror(error.errno) if known else error.strerror or str(error)  # type: ignore[arg-type]
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host}, HOOKWRIGHT_PORT={port}: cannot listen there: {cause}") from error
    except ValueError as error:
        raise ConfigurationError(f"HOOKWRIGHT_HOST={host!r}, HOOKWRIGHT_PORT={port}: this is not an address: {error}") from error


async def _addresses(host: str) -> list[str]:
    """The addresses of a host; those that are no names stay as they are. Raises OSError, TimeoutError.

    The loop's own lookup runs in a pool that is waited for at the end: a resolver that hangs would keep the process.
    """
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return [host]
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look_up() -> None:
        addresses: list[str] = []
        failure: Exception | None = None
        try:
            for *_, address in socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
                if (each := str(address[0])) not in addresses:
                    addresses.append(each)
        except (OSError, ValueError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    async with asyncio.timeout(LOOKUP_SECONDS):
        return await found
