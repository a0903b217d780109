"""A receiver in a process of its own: answers 200 and notes when each webhook-id arrived.

    POST /hook/...   200 at once                    POST /hang/...      nothing, until the sender gives up
    POST /aside/...  the same, and it is not noted  POST /error/...     500
    POST /busy/...   503, "come back in 2 s"        POST /moved/...     302
    POST /reset/...  hangs up                       POST /garbage/...   something that is not HTTP
    POST /dead/...   503 until PUT /alive, then 200; noted, and not counted
    GET  /count      arrivals so far                GET  /arrivals      {path: [[webhook-id, monotonic seconds], ...]}
    DELETE /arrivals forgets them

Prints its port when it listens; ends with its standard input.
"""

import asyncio
import sys
from typing import Any

import msgspec
import uvloop

from bench.wire import Arrived, Serving, answer

OK, GONE = answer(200), answer(503)
BROKEN: dict[str, bytes | None] = {
    "hang": None, "error": answer(500), "busy": answer(503, headers=b"retry-after: 2\r\n"), "moved": answer(302), "reset": b"",
    "garbage": b"no such protocol\r\n\r\n",
}  # fmt: skip
"""What each kind answers: None is nothing, and b"" the end of the connection."""


class Sink:
    def __init__(self) -> None:
        self.arrivals: dict[str, list[tuple[str, float]]] = {}
        self.count = 0
        self.alive = False
        self.connections: set[Serving] = set()

    def handle(self, request: Arrived, connection: Serving) -> None:
        if request.method == b"POST":
            self._receive(request, connection)
        elif request.method == b"GET":
            body = str(self.count).encode() if request.path == "/count" else msgspec.json.encode(self.arrivals)
            connection.reply(answer(200, body))
        else:
            if request.method == b"PUT":
                self.alive = True
            else:
                self.arrivals, self.count = {}, 0
            connection.reply(OK)

    def _receive(self, request: Arrived, connection: Serving) -> None:
        kind = request.path.split("/", 2)[1]
        if kind in BROKEN:
            said = BROKEN[kind]
            if said is not None:
                connection.reply(said, close=not said)
            return
        if kind == "dead" and not self.alive:
            connection.reply(GONE)
            return
        connection.reply(OK)
        if kind != "aside":
            self.count += kind != "dead"
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
