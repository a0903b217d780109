"""A producer in a process of its own, as a careful one is written: whatever goes wrong, it asks again with the same key.

Where there are several servers, each connection has one, and asks the next when that one fails it.

Reads a `Work` as JSON from standard input. For each acknowledged message a line `number message-id began answered asked` is
appended to the ledger, for each other request a line `status began answered` to the refusals: Unix seconds of that
request, and status 0 where there was no answer. At the end `Summary` is printed as JSON.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import uvloop

from bench.wire import Answered, Calling, connect, post
from tests.torture.traffic import request_body

PAUSE_SECONDS = 0.1


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: messages a second at most, so that there is time to do harm; `patience`: seconds that an answer may take."""

    ports: tuple[int, ...]
    path: str
    token: str
    seed: int
    messages: int
    connections: int
    rate: float
    patience: float
    ledger: str
    refusals: str


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
    def __init__(self, work: Work, ledger: TextIO, refusals: TextIO) -> None:
        self.work, self.ledger, self.refusals = work, ledger, refusals
        self.summary = Summary()

    async def run(self) -> None:
        numbers = iter(range(self.work.messages))
        self._began = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._repeat(numbers, place) for place in range(self.work.connections)))

    async def _repeat(self, numbers: Iterator[int], place: int) -> None:
        caller = _Caller(self.work.ports, place)
        for number in numbers:
            early = self._began + number / self.work.rate - asyncio.get_running_loop().time()
            if early > 0:
                await asyncio.sleep(early)
            await self._acknowledged(caller, number)

    async def _acknowledged(self, caller: "_Caller", number: int) -> None:
        """Ask until message `number` is acknowledged."""
        request = post(self.work.path, self.work.token, request_body(self.work.seed, number), f"torture-{self.work.seed}-{number}")
        asked = time.time()
        while True:
            began = time.time()
            try:
                async with asyncio.timeout(self.work.patience):
                    answered = await caller.request(request)
            except (OSError, TimeoutError):
                self._refused(began, None)
            else:
                if answered.status == 202:
                    return self._note(number, asked, began, answered)
                self._refused(began, answered)
            caller.next()
            await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, number: int, asked: float, began: float, answered: Answered) -> None:
        self.ledger.write(f"{number} {msgspec.json.decode(answered.body, type=_Id).id} {began:.4f} {time.time():.4f} {asked:.4f}\n")
        self.ledger.flush()
        self.summary.acknowledged += 1

    def _refused(self, began: float, answered: Answered | None) -> None:
        self.summary.repeated += 1
        self.refusals.write(f"{answered.status if answered else 0} {began:.4f} {time.time():.4f}\n")
        self.refusals.flush()
        if answered is None:
            return
        if answered.status == 503:
            self.summary.unavailable += 1
            self.summary.without_hint += b"retry-after" not in answered.headers
        elif len(self.summary.unexpected) < 10:
            self.summary.unexpected.append(f"{answered.status} {answered.body[:200]!r}")


class _Caller:
    """A connection to one of several servers, made anew when it broke."""

    def __init__(self, ports: tuple[int, ...], place: int) -> None:
        self._ports, self._place = ports, place
        self._connection: Calling | None = None

    def next(self) -> None:
        """Go to another server, if there is one."""
        if len(self._ports) > 1:
            self._place += 1
            self._leave()

    async def request(self, request: bytes) -> Answered:
        """Raises OSError, TimeoutError; then the connection is given up."""
        try:
            if self._connection is None or not self._connection.open:
                self._connection = await connect("127.0.0.1", self._ports[self._place % len(self._ports)])
            return await self._connection.request(request)
        except (OSError, asyncio.CancelledError):
            self._leave()
            raise

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.transport.abort()
        self._connection = None


def main() -> None:
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    with Path(work.ledger).open("a") as ledger, Path(work.refusals).open("a") as refusals:
        producer = Producer(work, ledger, refusals)
        uvloop.run(producer.run())
    print(msgspec.json.encode(producer.summary).decode())


if __name__ == "__main__":
    main()
