"""A receiver in a process of its own: answers 200 and notes when each webhook-id arrived.

    POST /hook/...   200 at once          POST /hang/...   nothing, until the sender gives up
    GET  /count      arrivals so far      GET  /arrivals   {path: [[webhook-id, monotonic seconds], ...]}
    DELETE /arrivals forgets them

Prints its port when it listens; ends with its standard input.
"""

import asyncio
import sys
from typing import Any

import msgspec
import uvloop

from bench.wire import Arrived, Serving, answer

OK = answer(200)


class Sink:
    def __init__(self) -> None:
        self.arrivals: dict[str, list[tuple[str, float]]] = {}
        self.count = 0
        self.connections: set[Serving] = set()

    def handle(self, request: Arrived, connection: Serving) -> None:
        if request.method == b"GET":
            body = str(self.count).encode() if request.path == "/count" else msgspec.json.encode(self.arrivals)
            connection.reply(answer(200, body))
            return
        if request.method == b"DELETE":
            self.arrivals, self.count = {}, 0
            connection.reply(OK)
            return
        if request.path.startswith("/hang/"):
            return
        connection.reply(OK)
        self.count += 1
        ident = request.headers.get(b"webhook-id", b"").decode("latin-1")
        self.arrivals.setdefault(request.path, []).append((ident, request.at))


async def main() -> None:
    sink, loop = Sink(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Serving(sink.handle, sink.connections), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


def decode(body: bytes) -> dict[str, list[tuple[str, float]]]:
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return {path: [(ident, at) for ident, at in arrivals] for path, arrivals in decoded.items()}


if __name__ == "__main__":
    uvloop.run(main())
