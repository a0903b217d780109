"""A forward proxy on loopback: tunnels by CONNECT to where a test wants it, or answers what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from hookwright.domain.proxies import Proxy

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ForwardProxy:
    """`heads`: what it was asked, whole; `asked`: host and port of each."""

    def __init__(self, routes: Mapping[str, int], answer: bytes, refusals: Mapping[str, bytes]) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.ended = asyncio.Event()
        self._routes, self._answer, self._refusals = routes, answer, refusals

    @property
    def asked(self) -> list[str]:
        return [head.split()[1].decode() for head in self.heads]

    @property
    def proxy(self) -> Proxy:
        return Proxy("127.0.0.1", self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self._refusals.get(self.asked[-1], self._answer))
            route = self._routes.get(self.asked[-1])
            if route is None:
                if self._answer:
                    await writer.drain()
                else:  # it says nothing
                    await reader.read()
            else:
                theirs, ours = await asyncio.open_connection("127.0.0.1", route)
                await asyncio.gather(_pass_on(reader, ours), _pass_on(theirs, writer))
        writer.close()
        self.ended.set()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying(
    routes: Mapping[str, int] | None = None, answer: bytes = ESTABLISHED, refusals: Mapping[str, bytes] | None = None
) -> AsyncIterator[ForwardProxy]:
    """A proxy that answers `answer` to all but `refusals`, and has a tunnel to a port of loopback for what is in `routes`."""
    made = ForwardProxy(routes or {}, answer, {} if refusals is None else refusals)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
