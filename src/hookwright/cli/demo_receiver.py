"""The other side of the demo: one HTTP server with three endpoints, which trusts nothing that it is sent.

The signature is checked here with a few lines of its own, from the Standard Webhooks specification and the standard
library, not with the code that made it.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from hookwright.cli.demo_events import Event

TOLERANCE_SECONDS = 300
SLOW_SECONDS = 0.4
ONE_IN = 3
"""Of so many events the flaky one refuses one at first: one that refused more would soon be left alone for a while."""

Answer = tuple[int, str]
"""Status and text."""


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether these are the signature headers that `secret` (`whsec_...`) makes for this body, just now."""
    ident, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), f"{ident}.{timestamp}.".encode() + body, hashlib.sha256)
    wanted = "v1," + base64.b64encode(mac.digest()).decode()
    return any(hmac.compare_digest(wanted.encode(), given.encode()) for given in headers.get("webhook-signature", "").split(" "))


class Endpoint:
    """One of the three: how it behaves, and what it has seen. `arrived`: by event, when it was taken (Unix seconds)."""

    def __init__(self, name: str, does: str) -> None:
        self.name, self.does = name, does
        self.secret = ""
        self.attempts = self.verified = self.repeated = 0
        self.altered: list[str] = []
        self.arrived: dict[str, float] = {}
        self._seen: set[str] = set()

    async def receive(self, headers: Mapping[str, str], body: bytes, events: Mapping[str, Event]) -> Answer:
        """Header names are in lower case."""
        self.attempts += 1
        if not is_signed(self.secret, headers, body):
            return 401, "this signature is not right"
        self.verified += 1
        answer = await self._behave(headers["webhook-id"])
        if answer is not None:
            return answer
        ident = json.loads(body)["id"]
        if events[ident].body != body:
            self.altered.append(ident)
        self.repeated += ident in self.arrived
        self.arrived.setdefault(ident, time.time())
        return 204, ""

    async def _behave(self, message: str) -> Answer | None:
        """An answer other than "thank you", or None."""
        if self.name == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        elif self.name == "flaky":
            is_new = message not in self._seen
            self._seen.add(message)
            if is_new and len(self._seen) % ONE_IN == 1:
                return 503, "not yet"
        return None


class Receiver:
    """Listens on a free loopback port while it is entered; `url(endpoint)` is where."""

    def __init__(self, events: Mapping[str, Event]) -> None:
        self.endpoints = (
            Endpoint("healthy", "answers 204 at once"),
            Endpoint("flaky", f"refuses one event in {ONE_IN} at first"),
            Endpoint("slow", f"answers 204 after {SLOW_SECONDS * 1000:.0f} ms"),
        )
        self._events = events

    async def __aenter__(self) -> "Receiver":
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0, backlog=1024)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def url(self, endpoint: Endpoint) -> str:
        return f"http://127.0.0.1:{self.port}/{endpoint.name}"

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request after another, as far as they are written as the demo's server writes them."""
        endpoints = {f"/{endpoint.name}": endpoint for endpoint in self.endpoints}
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, KeyError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                status, text = await endpoints[first.split(" ")[1]].receive(headers, body, self._events)
                length = f"Content-Length: {len(text)}\r\n" if text else ""  # a 204 has none
                writer.write(f"HTTP/1.1 {status} -\r\n{length}\r\n{text}".encode())
        writer.close()
