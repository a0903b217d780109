"""A producer in a process of its own, as a careful one is written: whatever goes wrong, it asks again with the same key.

Reads a `Work` as JSON from standard input; appends `number message-id` to the ledger for each acknowledged message, and
at the end prints `Summary` as JSON.
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import uvloop

from bench.wire import Answered, Calling, connect, post
from tests.torture.traffic import request_body

PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 40.0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: messages a second at most, so that there is time to do harm."""

    port: int
    path: str
    token: str
    seed: int
    messages: int
    connections: int
    rate: float
    ledger: str


class Summary(msgspec.Struct):
    """`repeated`: requests that had to be made again; `unavailable`: of these, after a 503; `without_hint`: 503 without Retry-After."""

    acknowledged: int = 0
    repeated: int = 0
    unavailable: int = 0
    without_hint: int = 0
    unexpected: list[str] = []


class _Id(msgspec.Struct):
    id: str


class Producer:
    def __init__(self, work: Work, ledger: TextIO) -> None:
        self.work, self.ledger = work, ledger
        self.summary = Summary()

    async def run(self) -> None:
        numbers = iter(range(self.work.messages))
        self._began = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._repeat(numbers) for _ in range(self.work.connections)))

    async def _repeat(self, numbers: Iterator[int]) -> None:
        connection: Calling | None = None
        for number in numbers:
            early = self._began + number / self.work.rate - asyncio.get_running_loop().time()
            if early > 0:
                await asyncio.sleep(early)
            connection = await self._acknowledged(connection, number)

    async def _acknowledged(self, connection: Calling | None, number: int) -> Calling | None:
        """Ask until message `number` is acknowledged; the connection to go on with."""
        request = post(self.work.path, self.work.token, request_body(self.work.seed, number), f"torture-{self.work.seed}-{number}")
        while True:
            try:
                if connection is None or not connection.open:
                    connection = await connect("127.0.0.1", self.work.port)
                async with asyncio.timeout(ANSWER_SECONDS):
                    answered = await connection.request(request)
            except (OSError, TimeoutError):
                connection = None
            else:
                if answered.status == 202:
                    self._note(number, answered)
                    return connection
                self._refused(answered)
            self.summary.repeated += 1
            await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, number: int, answered: Answered) -> None:
        self.ledger.write(f"{number} {msgspec.json.decode(answered.body, type=_Id).id}\n")
        self.ledger.flush()
        self.summary.acknowledged += 1

    def _refused(self, answered: Answered) -> None:
        if answered.status == 503:
            self.summary.unavailable += 1
            self.summary.without_hint += b"retry-after" not in answered.headers
        elif len(self.summary.unexpected) < 10:
            self.summary.unexpected.append(f"{answered.status} {answered.body[:200]!r}")


def main() -> None:
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    with Path(work.ledger).open("a") as ledger:
        producer = Producer(work, ledger)
        uvloop.run(producer.run())
    print(msgspec.json.encode(producer.summary).decode())


if __name__ == "__main__":
    main()
