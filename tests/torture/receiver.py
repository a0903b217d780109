"""A receiver that fails one time in five, in all the ways that receivers do, and remembers every arrival.

It checks signatures with an independent implementation and compares each body with what should have been sent. It runs
in a thread of its own, so that whoever tortures can look at what it knows at any moment.
"""

import asyncio
import random
import threading
import time
from datetime import UTC, datetime

import msgspec
import uvloop
from standardwebhooks import Webhook, WebhookVerificationError

from bench.wire import Arrived, Serving, answer
from tests.torture.traffic import ENDPOINTS, number_of, payload

GOOD = answer(200, b"thanks")
BAD = answer(500, b"out of order")
HALF = b"HTTP/1.1 200 -\r\ncontent-length: 100\r\n\r\nthis answer"
FAILING = 0.2
DELAY_SECONDS = 0.02
"""A tenth of the answers are this late, so that every moment has requests that are open."""

Place = tuple[int, int]
"""An endpoint and a message's number: one delivery."""


class Arrival(msgspec.Struct):
    """`status`: what was answered, 0 for nothing or half an answer; `written`: the sender was there to take it; `beside`: another
    request was open at the endpoint.
    """

    webhook_id: str
    at: float
    status: int = 0
    written: bool = False
    beside: bool = False


class TortureReceiver:
    def __init__(self, seed: int, *, any_time: bool = False) -> None:
        """`any_time`: signatures are good whatever the time is that they name, for senders whose clocks are wrong."""
        self._seed, self._chance, self._any_time = seed, random.Random(seed), any_time
        self._verifiers: list[Webhook] = []
        self.arrivals: dict[Place, list[Arrival]] = {}
        self.forged = self.garbled = self.count = self.failed = 0
        self.open: set[Place] = set()
        self.connections: set[Serving] = set()
        self.first_at: float | None = None

    def trust(self, secrets: list[str]) -> None:
        """The endpoints' secrets, in their order."""
        self._verifiers = [Webhook(secret) for secret in secrets]

    def __enter__(self) -> "TortureReceiver":
        started = threading.Event()
        self._loop = uvloop.new_event_loop()

        async def begin() -> asyncio.AbstractServer:
            return await self._loop.create_server(lambda: Serving(self._handle, self.connections), "127.0.0.1", 0, backlog=4096)

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            server = self._loop.run_until_complete(begin())
            self.port: int = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
            started.set()
            self._loop.run_forever()
            self._loop.close()

        self._thread = threading.Thread(target=run, name="receiver", daemon=True)
        self._thread.start()
        assert started.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def url(self, endpoint: int) -> str:
        return f"http://127.0.0.1:{self.port}/{endpoint}"

    def succeeded(self, place: Place) -> int:
        """How many times this delivery was answered with a whole 2xx."""
        return sum(arrival.status == 200 and arrival.written for arrival in self.arrivals.get(place, ()))

    def wait_quiet(self, seconds: float = 10.0) -> bool:
        """After the sender's death: until the last of its connections has ended, so that nothing of it is still to be read."""
        end = time.monotonic() + seconds
        while self.connections and time.monotonic() < end:
            time.sleep(0.005)
        return not self.connections

    def _handle(self, request: Arrived, connection: Serving) -> None:
        self.count += 1
        if self.first_at is None:
            self.first_at = request.at
        endpoint = int(request.path.strip("/"))
        number = number_of(request.body)
        if not self._signed(endpoint, request):
            self.forged += 1
            connection.reply(BAD)
            return
        if number is None or request.body != payload(self._seed, number):
            self.garbled += 1
            connection.reply(BAD)
            return
        place = (endpoint, number)
        beside = any(other == endpoint for other, _ in self.open)
        arrival = Arrival(request.headers[b"webhook-id"].decode(), request.at, beside=beside)
        self.arrivals.setdefault(place, []).append(arrival)
        self.open.add(place)
        if self._chance.random() < 0.1:
            self._loop.call_later(DELAY_SECONDS, self._answer, place, arrival, connection)
        else:
            self._answer(place, arrival, connection)

    def _answer(self, place: Place, arrival: Arrival, connection: Serving) -> None:
        self.open.discard(place)
        if self._chance.random() >= FAILING:
            arrival.status, arrival.written = 200, connection.reply(GOOD)
            return
        self.failed += 1
        match self._chance.randrange(4):
            case 0:
                connection.transport.abort()
            case 1:
                connection.reply(HALF, close=True)
            case _:
                arrival.status, arrival.written = 500, connection.reply(BAD)

    def _signed(self, endpoint: int, request: Arrived) -> bool:
        if endpoint >= len(ENDPOINTS):
            return False
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
        verifier = self._verifiers[endpoint]
        if self._any_time:
            at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            return verifier.sign(headers["webhook-id"], at, request.body.decode()) in headers["webhook-signature"].split()
        try:
            verifier.verify(request.body, headers)
        except WebhookVerificationError:
            return False
        return True
