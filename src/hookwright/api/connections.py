"""One connection: uvicorn's HTTP/1.1 protocol with a bound on everything that a peer may hold.

Duty: whatever a peer sends, or does not send, it costs us a bounded amount of memory for a bounded time, and callers
that behave do not notice. uvicorn alone keeps every header byte it is sent and waits for ever on a request that never
ends. The rules:

1. The parser is never handed more than `header_bytes` at once, and never more than that without anything coming of
   it (a complete head, body bytes). So neither a header, a trailer nor a chunk extension can grow in memory.
2. Every connection has one deadline, a float that the callbacks move; one sweep per server compares (`Guard.sweep`).
   A request costs no timer of its own.
3. Time during which we do not read, because our application is behind, is never held against the peer.
4. A request whose message cannot be trusted is answered and the connection ends; nothing after it is parsed. The answer
   is spoken after those to earlier, pipelined requests. The reading side stays open a moment (`LINGER_SECONDS`), because
   closing on unread bytes makes the kernel reset the connection and lose the answer (RFC 9112, 9.6). The same holds
   for an answer that is out before the body is in. What is read meanwhile is dropped, and bounded, too.
5. A request that arrived whole is answered even if the peer has closed its sending side since.
6. An offer to upgrade is ignored, and its request served as if it had not been made (RFC 9110, 7.8).
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from math import inf
from typing import Any, Literal, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from hookwright.api.limits import FULL, HOSTLESS, MALFORMED, NOTHING, SLOW, TOO_LARGE, Limits
from hookwright.api.outlet import Outlet

__all__ = ["Connection", "Guard", "Limits", "connection_factory"]

MAX_PIPELINED = 100
"""Requests waiting behind the one under way; each costs a few kilobytes, so a stream of tiny ones has to end."""

LINGER_SECONDS = 2.0
"""How long a peer that has its last answer may be silent before we hang up; one that still sends has `request_seconds`."""

DRAIN_BYTES = 64 * 1024 * 1024
"""The most of a body that is read only to be dropped, because its answer is out: an honest mistake, no endless stream."""

REFUSED_BYTES = 1024 * 1024
"""The same after a refusal. Reading a flood at full speed, even to drop it, would keep the interpreter from the others."""

SLICE = 100
"""Connections that a sweep looks at before the others get their turn: a few milliseconds, if all have to be closed."""

HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*[ \t]*", re.ASCII)
"""What RFC 3986, 3.2.2 and 3.2.3 allow in a host and its port; answers may contain it, so nothing else may stand there."""

Part = Literal["between", "head", "body"]


class _Refused(Exception):
    """Stops the parser from inside a callback; the reason waits in `Connection._fault`."""


class Guard:
    """What all connections of one server share: the limits, the sweep, and whether the server is stopping."""

    def __init__(self, limits: Limits, state: ServerState) -> None:
        self.limits = limits
        self.state = state
        self.stopping = False
        self.quiet = asyncio.Event()
        self.addresses: Counter[str] = Counter()

    def admits(self, address: str | None) -> bool:
        limits = self.limits
        if self.stopping or len(self.state.connections) > limits.max_connections:
            return False
        most = limits.max_connections_per_address
        return most is None or address is None or self.addresses[address] <= most

    def sweep(self, now: float, passed: float) -> Iterator[None]:
        """Hold every connection to its deadline, and pause now and then: ending thousands at once would hold up the others.

        `now` is the loop's time, `passed` the seconds since the last sweep.
        """
        for number, connection in enumerate(list(self.state.connections), 1):
            if isinstance(connection, Connection) and connection in self.state.connections:  # still, after the pauses
                connection.check(now, passed)
            if number % SLICE == 0:
                yield

    def stop(self) -> None:
        """Close what is idle, let the rest finish; `quiet` is set when the last connection is gone."""
        self.stopping = True
        for connection in list(self.state.connections):
            connection.shutdown()
        self.note_departure()

    def note_departure(self) -> None:
        if self.stopping and not self.state.connections:
            self.quiet.set()

    def abort(self) -> None:
        for connection in list(self.state.connections):
            connection.transport.abort()


class Connection(HttpToolsProtocol):
    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, guard: Guard) -> None:
        super().__init__(config, state, {}, loop)
        self._guard = guard
        self._limits = guard.limits
        self._part: Part = "between"  # where the parser is; the application may be busy with earlier requests meanwhile
        self._deadline = inf
        self._began = 0.0  # when the request that is arriving began
        self._arrived = 0  # its bytes so far
        self._unspent = 0  # bytes parsed since something last came of them (rule 1)
        self._running: RequestResponseCycle | None = None  # the request being answered; `cycle` is the newest parsed
        self._fault: bytes | None = None
        self._deaf = False  # nothing more is parsed on this connection
        self._last_words: bytes | None = None  # to be said when the answers under way are out
        self._leaving = False
        self._heard = False  # the peer was still sending at the last sweep, although we are leaving
        self._drain = DRAIN_BYTES
        self._hosts = [b""]  # as last seen and found right; on a kept connection it is mostly the same
        self._peer_done = False
        self._stalled_since: float | None = None

    # The transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._outlet = Outlet(transport, self._close, self.loop)
        self._began = self.loop.time()
        self._deadline = self._began + self._limits.header_seconds
        address = self.client[0] if self.client else None
        if address is not None:
            self._guard.addresses[address] += 1
        if not self._guard.admits(address):
            # No lingering here: a refused peer must not hold a place. Nothing of it has been read.
            self._deaf = True
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
        if self.client is not None:
            addresses = self._guard.addresses
            addresses[self.client[0]] -= 1
            if addresses[self.client[0]] <= 0:
                del addresses[self.client[0]]
        self._guard.note_departure()

    def eof_received(self) -> bool:  # type: ignore[override]
        """True keeps our sending side open for the answers that are still owed (rule 5)."""
        if self._leaving or self._part == "body" or not self._answering():
            return False
        self._peer_done = True
        self._part, self._deadline = "between", inf
        return True

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._heard = True
            self._arrived += len(data)
            if self._arrived > self._drain:
                self.flow.pause_reading()
            return
        size, most = len(data), self._limits.header_bytes
        if size <= most:
            self._feed(data)
            return
        view = memoryview(data)
        for start in range(0, size, most):
            self._feed(view[start : start + most])
            if self._deaf:
                return

    def _feed(self, data: bytes | memoryview) -> None:
        self._unspent += len(data)
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._ignore_upgrade(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(MALFORMED if self._fault is None else self._fault)
        else:
            self._arrived += len(data)
            if self._unspent > self._limits.header_bytes:
                self._refuse(MALFORMED if self._part == "body" else TOO_LARGE)

    def _ignore_upgrade(self, rest: memoryview) -> None:
        """Rule 6. Java's HttpClient offers h2c with every first request, bodies included.

        httptools takes no body after such a head, so what follows would pass for a request. A fresh parser reads the
        head again without the offer, and so decides by the one set of rules where the body ends. Raises HttpParserError.
        """
        while True:
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]

    def _head_without_upgrade(self) -> bytes:
        """The parser has refused line breaks within these parts, so they can be put together again."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    # The parser's side

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._part == "head":
            return  # the same request once more, see `_ignore_upgrade`; its time goes on
        self._part = "head"
        self._arrived = 0
        if self.cycle is not None:
            self._began = self.loop.time()
            self._deadline = self._began + self._limits.header_seconds
        # else: the first request's time runs since the connection was made.

    def on_headers_complete(self) -> None:
        limits = self._limits
        if len(self.headers) > limits.header_lines or (self._unspent > limits.header_bytes and self._head_bytes() > limits.header_bytes):
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
        self._unspent = 0
        self._part = "body"
        self._deadline = self._began + limits.request_seconds

    def on_body(self, body: bytes) -> None:
        self._unspent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._part == "head":
            return  # an upgrade: `_ignore_upgrade` is next
        super().on_message_complete()
        self._unspent = 0
        self._part = "between"
        self._deadline = inf if self._answering() else self._idle_deadline()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _names_its_host(self) -> bool:
        """RFC 9112, 3.2: once and well-formed; HTTP/1.0 may leave it out."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if hosts == self._hosts:
            return True
        if len(hosts) == 1 and HOST.fullmatch(hosts[0]) is not None:
            self._hosts = hosts
            return True
        return not hosts and self.parser.get_http_version() < "1.1"

    # The application's side

    def on_response_complete(self) -> None:
        """Replaces uvicorn's, which arms a timer for every request."""
        self._outlet.flush()
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._leaving:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        elif self._last_words is not None:
            self._leave(self._last_words)
        elif self._part == "body" and self.expect_100_continue:
            # RFC 9110, 10.1.1: the peer may send the body nevertheless, or not; what comes next means nothing certain.
            self._leave(NOTHING)
        elif self._peer_done or (self._guard.stopping and self._part != "head"):
            self.transport.close()
        elif self._part == "between":
            self._deadline = self._idle_deadline()
        # else: the rest of this body, or the next head, is arriving under its own deadline.

    def _close(self) -> None:
        """For the application's side: after the last answer, or when it failed in the middle of one."""
        self._outlet.flush()
        if self.transport.is_closing() or self._leaving:
            return
        if self._part == "between" and not self.pipeline:
            self.transport.close()
        else:
            self._leave(NOTHING)

    def shutdown(self) -> None:
        """Close if nothing is under way; a request of which a byte has come is under way."""
        if self._part == "between" and not self._answering():
            self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _idle_deadline(self) -> float:
        return self.loop.time() + self._limits.keep_alive_seconds

    # The limits' side

    def check(self, now: float, passed: float) -> None:
        """One look per sweep."""
        if self.transport.is_closing() or self._leaving:
            self._check_departure(now)
        elif self._check_reader(now):
            if self.flow.read_paused or (self._part == "between" and self.flow.write_paused):
                self._deadline += passed  # rule 3; and a peer that still takes its answer is not idle
                self._began += passed
            elif now >= self._deadline or (self._part == "body" and (self._dawdles(now) or self._floods())):
                if self._part == "between":
                    self.transport.close()
                else:
                    self._refuse(SLOW)

    def _check_departure(self, now: float) -> None:
        """A peer that does not take its last bytes, or does not stop sending, does not keep us."""
        if not self._leaving:
            self._begin_to_leave(now)
        elif self._heard and now < self._began + self._limits.request_seconds and self._arrived <= self._drain:
            self._heard = False
            self._deadline = max(self._deadline, now + LINGER_SECONDS)
        elif now >= self._deadline:
            self.transport.abort()

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

    def _dawdles(self, now: float) -> bool:
        late = now - self._began - self._limits.body_grace_seconds
        return late > 0 and self._arrived < late * self._limits.body_bytes_per_second

    def _floods(self) -> bool:
        """The answer is out, and the body of its request does not end."""
        return self._arrived > DRAIN_BYTES and self.cycle.response_complete

    def _refuse(self, words: bytes) -> None:
        """End the conversation with `words`, after the answers that are under way."""
        self._deaf = True
        self._drain = REFUSED_BYTES
        part, self._part = self._part, "between"
        self._deadline = inf
        if part == "body":
            words = self._abandon(words)
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
        self._deaf = True
        self._begin_to_leave(self.loop.time())
        self.flow.resume_reading()
        if words:
            self.transport.write(words)
        self.transport.write_eof()

    def _begin_to_leave(self, now: float) -> None:
        """What has not been taken of the last answer keeps its time."""
        self._leaving = True
        self._heard, self._began = False, now
        self._deadline = now + (self._limits.request_seconds if self.transport.get_write_buffer_size() else LINGER_SECONDS)


def connection_factory(config: Config, state: ServerState, guard: Guard) -> Any:
    """What `loop.create_server` calls for each new connection."""
    loop = asyncio.get_running_loop()
    return lambda: Connection(config, state, loop, guard)
