"""Those that stop, break or speak before there is a word of an answer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tests.integration.receivers import OK, Connection, closing, receiving, silent
from tests.zoo.cages import HOST, Beast, Certificates, plain, reset, resetting


@asynccontextmanager
async def nobody_accepts(_: Certificates) -> AsyncIterator[str]:
    """The system connects, and nobody ever reads."""
    with socket.create_server((HOST, 0), backlog=1024) as server:
        yield f"http://{HOST}:{server.getsockname()[1]}/hook"


@asynccontextmanager
async def no_room(_: Certificates) -> AsyncIterator[str]:
    """So many wait to be accepted that the system lets nobody else connect."""
    with ExitStack() as held:
        server = held.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _waiting in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://{HOST}:{server.getsockname()[1]}/hook"


async def resets_at_once(connection: Connection) -> None:
    reset(connection)


async def closes_at_once(connection: Connection) -> None:
    pass


async def speaks_first(connection: Connection) -> None:
    await connection.answer(OK)
    await connection.reader.read()


@asynccontextmanager
async def never_reads(_: Certificates) -> AsyncIterator[str]:
    """It does not even notice that nobody is there any more, until its cage is taken down."""
    ended = asyncio.Event()

    async def handler(connection: Connection) -> None:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection.stall()
        await ended.wait()

    async with receiving(handler) as receiver:
        yield receiver.url
        ended.set()


STAGES: tuple[Beast, ...] = (
    Beast("nobody accepts", ("timeout",), nobody_accepts),
    Beast("no room to be accepted", ("timeout",), no_room),
    plain("resets what it accepts", resets_at_once, "connection"),
    plain("closes what it accepts", closes_at_once, "connection"),
    plain("speaks before it is asked", speaks_first, "protocol", "connection", "200"),
    Beast("never reads", ("timeout",), never_reads),
    plain("says nothing", silent, "timeout"),
    plain("closes without an answer", closing(), "connection"),
    plain("resets without an answer", resetting(b""), "connection"),
)
