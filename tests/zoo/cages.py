"""Where a beast is kept: a port of loopback, with or without TLS, for as long as a block lasts."""

import socket
import ssl
import struct
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from hookwright.sender import Failure, Response
from hookwright.senders.identities import tls_context
from tests.certificates import Authority, Issued, server_context
from tests.integration.receivers import Connection, Handler, dripping, receiving

DRIP_SECONDS = 0.1
HOST = "127.0.0.1"


class Certificates:
    """One server's context for each kind; who trusts the root that `trusted` (PEM) is trusts all of them but `unknown`."""

    def __init__(self) -> None:
        root = Authority("zoo")
        self.servers = {
            "good": server_context(root.issue()),
            "other": server_context(root.issue(addresses=["127.0.0.2"], names=["other.example"])),
            "expired": server_context(root.issue(days=-1)),
            "early": server_context(root.issue(starts=1)),
            "unknown": server_context(Authority("stranger").issue()),
            "outdated": _outdated(root.issue()),
            "generous": _generous(root.issue()),
        }
        self.trusted = root.pem


def _outdated(issued: Issued) -> ssl.SSLContext:
    """A server that knows nothing newer than TLS 1.1."""
    context = server_context(issued)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # that is what it is for
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def _generous(issued: Issued) -> ssl.SSLContext:
    """A server that sends session tickets for as long as a handshake may take: half a megabyte."""
    context = server_context(issued)
    context.num_tickets = 2_000
    return context


def trusting(authority: str) -> ssl.SSLContext:
    """The sender's own context, which trusts this one (PEM) besides."""
    context = tls_context()
    context.load_verify_locations(cadata=authority)
    return context


Cage = Callable[[Certificates], AbstractAsyncContextManager[str]]


class Beast(NamedTuple):
    """`ends`: what an attempt at it comes to, a fault or a status; more than one where that is a matter of moments.

    `cage` opens it, and says its URL.
    """

    name: str
    ends: tuple[str, ...]
    cage: Cage


def plain(name: str, handler: Handler, *ends: str) -> Beast:
    @asynccontextmanager
    async def cage(_: Certificates) -> AsyncIterator[str]:
        async with receiving(handler) as receiver:
            yield receiver.url

    return Beast(name, ends, cage)


def secure(name: str, kind: str, handler: Handler, *ends: str) -> Beast:
    """Behind TLS with a certificate of this kind."""

    @asynccontextmanager
    async def cage(certificates: Certificates) -> AsyncIterator[str]:
        async with receiving(handler, tls=certificates.servers[kind]) as receiver:
            receiver.scheme = "https"
            yield receiver.url

    return Beast(name, ends, cage)


def unencrypted(name: str, handler: Handler, *ends: str) -> Beast:
    """What `handler` does comes where TLS is expected."""

    @asynccontextmanager
    async def cage(_: Certificates) -> AsyncIterator[str]:
        async with receiving(handler) as receiver:
            receiver.scheme = "https"
            yield receiver.url

    return Beast(name, ends, cage)


def outcome(result: Response | Failure) -> str:
    """As `ends` says it."""
    return result.fault if isinstance(result, Failure) else str(result.status)


# What several of them do


def reset(connection: Connection) -> None:
    """End it by RST instead of FIN."""
    connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.writer.transport.abort()


def hanging(said: bytes) -> Handler:
    """Says so much of an answer, and no more."""

    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(said)
        connection.stall()
        await connection.reader.read()

    return handler


def resetting(said: bytes) -> Handler:
    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(said)
        reset(connection)

    return handler


def slow(start: bytes, drop: bytes) -> Handler:
    return dripping(start, drop, DRIP_SECONDS)
