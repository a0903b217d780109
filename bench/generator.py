"""A producer in a process of its own. Reads a `Load` as JSON from standard input, prints `Sent` as JSON.

Closed loop: `connections` of them, each with one request under way, for `seconds`; what is answered after that counts
as sent but not towards the rate. Open loop: `rate` requests a second whatever the answers do, each timed from the moment
it was meant to start, so that a server that stalls cannot hide the requests that it kept from being made.
"""

import asyncio
import random
import string
import sys
import time

import msgspec
import uvloop

from bench.wire import Answered, Calling, connect, post


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where messages are sent to, and by whom."""

    path: str
    token: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """`channels`: how many; message n goes to channel `c<n % channels>`, 0 sends without one. `size`: bytes of payload.

    `seed`: of what the payloads say; the same seed sends the same bytes. `count`: end after so many messages, too.
    `places`: instead of `path`; message n goes to the one at n % len(places), which counts as its channel.
    """

    port: int
    path: str
    token: str
    seconds: float
    connections: int = 64
    rate: float | None = None
    channels: int = 0
    size: int = 500
    run: str = ""
    seed: int = 0
    count: int | None = None
    places: tuple[Place, ...] = ()


class Accepted(msgspec.Struct, frozen=True, array_like=True):
    """A message that was answered with 2xx; times are monotonic seconds, `channel` is -1 for none."""

    id: str
    intended: float
    answered: float
    channel: int


class Sent(msgspec.Struct, frozen=True):
    """`accepted_in_time`: those answered within the `seconds` of the load."""

    accepted: list[Accepted]
    refused: int
    broken: int
    seconds: float
    accepted_in_time: int


class _Id(msgspec.Struct):
    id: str


_id_of = msgspec.json.Decoder(_Id).decode


class Generator:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.accepted: list[Accepted] = []
        self.refused = self.broken = 0
        rand = random.Random(load.seed)
        self._bodies = [(channel, body(load.size, channel, rand)) for channel in (range(load.channels) if load.channels else [-1])]
        self._number = 0
        self._idle: list[Calling] = []

    def next_request(self) -> tuple[int, bytes]:
        """A fresh request, and its channel."""
        self._number += 1
        load, key = self.load, f"bench-{self.load.run}-{self._number}"
        channel, chosen = self._bodies[self._number % len(self._bodies)]
        if not load.places:
            return channel, post(load.path, load.token, chosen, key)
        number = self._number % len(load.places)
        return number, post(load.places[number].path, load.places[number].token, chosen, key)

    def note(self, intended: float, channel: int, answered: Answered) -> None:
        if answered.status // 100 == 2:
            self.accepted.append(Accepted(_id_of(answered.body).id, intended, time.monotonic(), channel))
        else:
            self.refused += 1

    async def closed(self) -> float:
        began = time.monotonic()
        end = began + self.load.seconds
        await asyncio.gather(*(self._repeat(end) for _ in range(self.load.connections)))
        return self.load.seconds

    async def _repeat(self, end: float) -> None:
        connection = await connect("127.0.0.1", self.load.port)
        most = self.load.count
        while (start := time.monotonic()) < end and (most is None or self._number < most):
            channel, request = self.next_request()
            try:
                self.note(start, channel, await connection.request(request))
            except ConnectionError:
                self.broken += 1
                connection = await connect("127.0.0.1", self.load.port)

    async def open(self) -> float:
        assert self.load.rate is not None
        tasks, began = [], time.monotonic()
        for number in range(int(self.load.rate * self.load.seconds)):
            intended = began + number / self.load.rate
            if (early := intended - time.monotonic()) > 0:
                await asyncio.sleep(early)
            tasks.append(asyncio.create_task(self._once(intended)))
        await asyncio.gather(*tasks)
        return self.load.seconds

    async def _once(self, intended: float) -> None:
        channel, request = self.next_request()
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else await connect("127.0.0.1", self.load.port)
            try:
                answered = await connection.request(request)
                break
            except ConnectionError:
                if not kept:  # a kept connection may have been closed meanwhile; a fresh one must answer
                    self.broken += 1
                    return
        self.note(intended, channel, answered)
        self._idle.append(connection)


def body(size: int, channel: int, rand: random.Random) -> bytes:
    payload: dict[str, object] = {"id": "in_1234567890", "amount": 1234, "currency": "usd", "customer": "cus_1234567", "note": ""}
    letters = max(0, size - len(msgspec.json.encode(payload)))
    payload["note"] = "".join(rand.choices(string.ascii_letters, k=letters))
    message: dict[str, object] = {"eventType": "invoice.paid", "payload": payload}
    if channel >= 0:
        message["channels"] = [f"c{channel}"]
    return msgspec.json.encode(message)


async def run(load: Load) -> Sent:
    generator = Generator(load)
    began = time.monotonic()
    seconds = await (generator.closed() if load.rate is None else generator.open())
    in_time = sum(each.answered <= began + seconds for each in generator.accepted)
    return Sent(generator.accepted, generator.refused, generator.broken, seconds, in_time)


if __name__ == "__main__":
    result = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(result))
    sys.stdout.buffer.flush()
