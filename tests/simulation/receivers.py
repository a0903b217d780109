"""The receivers of a simulation: they answer what the seed says, and remember every request."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from hookwright.clock import Clock
from hookwright.sender import Failure, Request, Response
from tests.simulation.loop import Owner
from tests.simulation.model import Model

KINDS = ("ok", "error", "gone", "busy", "busy until", "hang", "refused", "redirect")
ORDINARY, BROKEN, SOUND = (30, 10, 0, 3, 2, 3, 2, 2), (2, 20, 3, 3, 2, 6, 4, 4), (1, 0, 0, 0, 0, 0, 0, 0)


class Sent(msgspec.Struct, frozen=True):
    """One request: when it began, to whom, which message it named, and the body."""

    at: int
    url: str
    webhook_id: str
    body: bytes


class Receivers:
    """All receivers together; `healed` makes each of them answer 200 at once."""

    def __init__(self, rand: random.Random, clock: Clock, model: Model, urls: list[str], calm: bool) -> None:
        self._rand, self._clock, self._model = rand, clock, model
        self._weights = {url: ORDINARY if calm or rand.random() < 0.6 else BROKEN for url in urls}
        self.healed = False
        self.sent: list[Sent] = []

    async def answer(self, request: Request) -> Response | Failure:
        headers = {name.lower(): value for name, value in request.headers}
        self.sent.append(Sent(self._clock.now(), request.url, headers["webhook-id"], request.body))
        kind = self._rand.choices(KINDS, SOUND if self.healed else self._weights[request.url])[0]
        if kind == "hang":
            await asyncio.sleep(request.deadline)
            return Failure("timeout", "no answer in time")
        await asyncio.sleep(0.01 if self.healed else self._rand.choice((0.0, 0.01, 0.2, 2.0)))
        if kind == "refused":
            return Failure("refused", "connection refused")
        return self._respond(kind)

    def _respond(self, kind: str) -> Response:
        seconds = self._rand.randrange(40)
        date = datetime.fromtimestamp(self._clock.now() // 1000 + seconds, UTC)
        match kind:
            case "error":
                return Response(500, b"no", False)
            case "gone":
                return Response(410, b"", False)
            case "busy":
                return Response(429, b"", False, str(seconds))
            case "busy until":
                return Response(503, b"", False, format_datetime(date, usegmt=True))
            case "redirect":
                return Response(302, b"", False)
        return Response(204, b"", False)


class NodeSender:
    """The sender of one node; it watches the node's bounds, and what a disabled endpoint must not get."""

    def __init__(self, receivers: Receivers, model: Model, node: Owner, most: int, most_per_endpoint: int) -> None:
        self._receivers, self._model, self._node = receivers, model, node
        self._most, self._most_per_endpoint = most, most_per_endpoint
        self._active: list[str] = []
        self.zombie = False

    async def send(self, request: Request) -> Response | Failure:
        if self._node.dead:
            raise asyncio.CancelledError
        ordered = self._model.is_ordered(request.url)
        if not self.zombie:
            self._model.check_may_send(request.url)
            if ordered:
                headers = {name.lower(): value for name, value in request.headers}
                self._model.check_order(request.url, headers["webhook-id"])
        self._active.append(request.url)
        self._model.check(len(self._active) <= self._most, "more attempts under way than the bound")
        most = 1 if ordered else self._most_per_endpoint
        self._model.check(self._active.count(request.url) <= most, "more attempts at one endpoint than the bound")
        try:
            return await self._receivers.answer(request)
        finally:
            self._active.remove(request.url)

    async def close(self) -> None:
        pass
