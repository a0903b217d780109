"""A way to a server that is cut in the middle of a conversation, or swallows whatever is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """`marker`: the next thing with it in it that a client sends reaches the server, and its answer reaches nobody.

    The client is left when the server has answered; if `at_once`, before it has, and the server is not told.

    `lost`: the next thing with it in it reaches nobody, and both sides are left.

    `swallow` makes a hole of the way: connections are accepted, and nothing that anybody says arrives, until `deliver`.
    Conversations in which `spared` was said go on.

    `delay`: seconds by which everything that is said comes late, in both directions.
    """

    def __init__(self, server: int) -> None:
        self.marker: bytes | None = None
        self.at_once = False
        self.lost: bytes | None = None
        self.delay = 0.0
        self.spared: bytes | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._server = server
        self._conversations: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        self._open.clear()

    def deliver(self) -> None:
        self._open.set()

    def reset(self) -> None:
        """End every conversation, without a word to either side."""
        for task in self._conversations:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        with suppress(OSError, asyncio.CancelledError):
            await self._converse(reader, writer)
        writer.transport.abort()
        self._conversations.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection("127.0.0.1", self._server)
        cut = asyncio.Event()
        spared = False

        async def through() -> None:
            if self.delay:
                await asyncio.sleep(self.delay)
            if not spared:
                await self._open.wait()

        async def there() -> None:
            nonlocal spared
            while data := await reader.read(65536):
                spared = spared or (self.spared is not None and self.spared in data)
                await through()
                if self.lost is not None and self.lost in data:
                    self.lost = None
                    return
                if self.marker is not None and self.marker in data:
                    self.marker = None
                    cut.set()
                server.write(data)
                await server.drain()
                if cut.is_set():
                    if self.at_once:
                        writer.transport.abort()
                    await asyncio.Event().wait()

        async def back() -> None:
            while (data := await answers.read(65536)) and not cut.is_set():
                await through()
                writer.write(data)
                await writer.drain()

        ways = {asyncio.create_task(there()), asyncio.create_task(back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server.transport.abort()

    async def end(self) -> None:
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations)


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[tuple[Proxy, int]]:
    """With the port where it listens."""
    proxy = Proxy(port)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await proxy.end()
