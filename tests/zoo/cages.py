"""Where a beast is kept: a port of loopback, with or without TLS, for as long as a block lasts."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from hookwright.sender import Failure, Response
from tests.integration.receivers import Connection, Handler, dripping, receiving
from tests.zoo.certificates import outdated_context, server_context, trusting, write_certificate

DRIP_SECONDS = 0.1
HOST = "127.0.0.1"


class Certificates:
    """One of each kind, in a folder; `client` trusts all of them but `unknown`."""

    def __init__(self, folder: Path) -> None:
        def written(kind: str, address: str = HOST, *, days: int = 30) -> tuple[Path, Path]:
            (folder / kind).mkdir()
            return write_certificate(folder / kind, [], [address], days=days)

        good, other, expired = written("good"), written("other", "127.0.0.2"), written("expired", days=-1)
        self.servers = {
            "good": server_context(good), "other": server_context(other), "expired": server_context(expired),
            "unknown": server_context(written("unknown")), "outdated": outdated_context(good),
        }  # fmt: skip
        self.client: ssl.SSLContext = trusting(good[0], other[0], expired[0])


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
