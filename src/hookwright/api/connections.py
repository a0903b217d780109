"""One connection: uvicorn's HTTP/1.1 protocol with a bound on everything that a peer may hold.

Duty: whatever a peer sends, or does not send, it costs us a bounded amount of memory for a bounded time, and callers
that behave do not notice. uvicorn alone keeps every header byte it is sent and waits for ever on a request that never
ends. The rules:

1. The parser is never handed more than `header_bytes` at once, and never more than that without anything coming of
   it (a complete head, body bytes). So neither a header, a trailer nor a chunk extension can grow in memory.
2. Every connection has one deadline (`arrivals`, then `departures`); one sweep per server compares (`guard`).
3. Time during which we do not read, because our application is behind, is never held against the peer.
4. A request whose message cannot be trusted is answered and the connection ends; nothing after it is parsed. The answer
   is spoken after those to earlier, pipelined requests, and the peer is given a moment to read it (`departures`). The same
   holds for an answer that is out before the body is in.
5. A request that arrived whole is answered even if the peer has closed its sending side since.
6. An offer to upgrade is ignored, and its request served as if it had not been made (RFC 9110, 7.8).
"""

import asyncio
from math import inf
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from hookwright.api import heads
from hookwright.api.arrivals import Arrival
from hookwright.api.departures import DRAIN_BYTES, Departure
from hookwright.api.guard import Guard
from hookwright.api.limits import FULL, HOSTLESS, MALFORMED, NOTHING, SLOW, TOO_LARGE
from hookwright.api.outlet import Outlet

MAX_PIPELINED = 100
"""Requests waiting behind the one under way; each costs a few kilobytes, so a stream of tiny ones has to end."""


class _Refused(Exception):
    """Stops the parser from inside a callback; the reason waits in `Connection._fault`."""


class Connection(HttpToolsProtocol):
    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, guard: Guard) -> None:
        super().__init__(config, state, {}, loop)
        self._guard = guard
        self._limits = guard.limits
        self._running: RequestResponseCycle | None = None  # the request being answered; `cycle` is the newest parsed
        self._fault: bytes | None = None
        self._last_words: bytes | None = None  # to be said when the answers under way are out
        self._hosts = [b""]  # as last seen and found right; on a kept connection it is mostly the same
        self._peer_done = False
        self._stalled_since: float | None = None

    # The transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._outlet = Outlet(transport, self._close, self.loop)
        self.arrival = Arrival(self._limits, self.loop.time())
        self.departure = Departure(self._limits, transport, self.flow, self.arrival)
        if not self._guard.admit(self._address()):
            # No lingering here: a refused peer must not hold a place. Nothing of it has been read.
            self.departure.refuse()
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        running = self._running
        if running is not None and not running.response_complete:
            # With a pipeline, uvicorn tells only the newest request.
            running.disconnected = True
            running.message_event.set()
        self.pipeline.clear()
        self._guard.note_departure(self._address())

    def _address(self) -> str | None:
        return self.client[0] if self.client else None

    def eof_received(self) -> bool:  # type: ignore[override]
        """True keeps our sending side open for the answers that are still owed (rule 5)."""
        if self.departure.begun or self.arrival.part == "body" or not self._answering():
            return False
        self._peer_done = True
        self.arrival.end()
        return True

    def data_received(self, data: bytes) -> None:
        if self.departure.deaf:
            self.departure.drop(len(data))
            return
        size, most = len(data), self._limits.header_bytes
        if size <= most:
            self._feed(data)
            return
        view = memoryview(data)
        for start in range(0, size, most):
            self._feed(view[start : start + most])
            if self.departure.deaf:
                return

    def _feed(self, data: bytes | memoryview) -> None:
        self.arrival.unspent += len(data)
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._ignore_upgrade(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(MALFORMED if self._fault is None else self._fault)
        else:
            self.arrival.size += len(data)
            if self.arrival.unspent > self._limits.header_bytes:
                self._refuse(MALFORMED if self.arrival.part == "body" else TOO_LARGE)

    def _ignore_upgrade(self, rest: memoryview) -> None:
        """Rule 6. Java's HttpClient offers h2c with every first request, bodies included.

        httptools takes no body after such a head, so what follows would pass for a request. A fresh parser reads the
        head again without the offer, and so decides by the one set of rules where the body ends. Raises HttpParserError.
        """
        while True:
            head = heads.without_upgrade(self.parser, self.url, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]

    # The parser's side

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.arrival.part == "head":
            return  # the same request once more, see `_ignore_upgrade`; its time goes on
        self.arrival.begin(None if self.cycle is None else self.loop.time())

    def on_headers_complete(self) -> None:
        limits = self._limits
        too_many = len(self.headers) > limits.header_lines
        if too_many or (self.arrival.unspent > limits.header_bytes and heads.size(self.url, self.headers) > limits.header_bytes):
            self._fault = TOO_LARGE
            raise _Refused
        if len(self.pipeline) >= MAX_PIPELINED:
            self._fault = NOTHING  # RFC 9112, 9.3.2: what was pipelined and not answered is the client's to repeat
            raise _Refused
        if not self._names_its_host():
            self._fault = HOSTLESS
            raise _Refused
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _Refused  # a tunnel, not an offer
            return
        super().on_headers_complete()
        self.cycle.transport = cast(asyncio.Transport, self._outlet)
        if not self.pipeline:
            self._running = self.cycle
        if self._guard.stopping:
            self.cycle.keep_alive = False
        self.headers = []  # trailers come through `on_header` too, and must not become headers (RFC 9110, 6.5.1)
        self.arrival.begin_body()

    def on_body(self, body: bytes) -> None:
        self.arrival.unspent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.arrival.part == "head":
            return  # an upgrade: `_ignore_upgrade` is next
        super().on_message_complete()
        self.arrival.end(inf if self._answering() else self._idle_deadline())

    def _names_its_host(self) -> bool:
        hosts = heads.hosts(self.headers)
        if hosts == self._hosts:
            return True
        right = heads.names_its_host(hosts, self.parser.get_http_version())
        if right and hosts:  # none is right in HTTP/1.0 only
            self._hosts = hosts
        return right

    # The application's side

    def on_response_complete(self) -> None:
        """Replaces uvicorn's, which arms a timer for every request."""
        self._outlet.flush()
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self.departure.begun:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        elif self._last_words is not None:
            self._leave(self._last_words)
        elif self.arrival.part == "body" and self.expect_100_continue:
            # RFC 9110, 10.1.1: the peer may send the body nevertheless, or not; what comes next means nothing certain.
            self._leave(NOTHING)
        elif self._peer_done or (self._guard.stopping and self.arrival.part != "head"):
            self.transport.close()
        elif self.arrival.part == "between":
            self.arrival.deadline = self._idle_deadline()
        # else: the rest of this body, or the next head, is arriving under its own deadline.

    def _close(self) -> None:
        """For the application's side: after the last answer, or when it failed in the middle of one."""
        self._outlet.flush()
        if self.transport.is_closing() or self.departure.begun:
            return
        if self.arrival.part == "between" and not self.pipeline:
            self.transport.close()
        else:
            self._leave(NOTHING)

    def shutdown(self) -> None:
        """Close if nothing is under way; a request of which a byte has come is under way."""
        if self.arrival.part == "between" and not self._answering():
            self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _idle_deadline(self) -> float:
        return self.loop.time() + self._limits.keep_alive_seconds

    # The guard's side

    def check(self, now: float, passed: float) -> None:
        """One look per sweep."""
        if self.transport.is_closing() or self.departure.begun:
            self.departure.check(now)
        elif self._check_reader(now):
            between = self.arrival.part == "between"
            if self.flow.read_paused or (between and self.flow.write_paused):
                self.arrival.excuse(passed)  # rule 3; and a peer that still takes its answer is not idle
            elif self.arrival.is_late(now) or self._floods():
                if between:
                    self.transport.close()
                else:
                    self._refuse(SLOW)

    def _check_reader(self, now: float) -> bool:
        """False if the peer had to be dropped because it does not read its answer."""
        if not self.flow.write_paused:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now
        elif now - self._stalled_since >= self._limits.request_seconds:
            self.transport.abort()
            return False
        return True

    def _floods(self) -> bool:
        """The answer is out, and the body of its request does not end."""
        return self.arrival.part == "body" and self.arrival.size > DRAIN_BYTES and self.cycle.response_complete

    def _refuse(self, words: bytes) -> None:
        """End the conversation with `words`, after the answers that are under way."""
        self.departure.refuse()
        if self.arrival.part == "body":
            words = self._abandon(words)
        self.arrival.end()
        if self._running is None or self._running.disconnected or self._running.response_complete:
            self._leave(words)
        else:
            self._last_words = words

    def _abandon(self, words: bytes) -> bytes:
        """The request whose body will not arrive: its application sees a disconnect. Returns what may still be said."""
        cycle = self.cycle
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        started = cycle.response_started
        if not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        return NOTHING if started else words

    def _leave(self, words: bytes) -> None:
        self.departure.begin(self.loop.time(), words)


def connection_factory(config: Config, state: ServerState, guard: Guard) -> Any:
    """What `loop.create_server` calls for each new connection."""
    loop = asyncio.get_running_loop()
    return lambda: Connection(config, state, loop, guard)
