"""The answers on one connection: bytes in, a value out. No socket, no clock.

Duty: whatever bytes come, in whatever pieces, an answer is read in bounded memory, means what RFC 9112 says it means,
and ends where it ends. The grammar is llhttp's, by httptools. Rules:

1. A head, each of its parts, and anything else of which nothing comes, is bounded; so are preliminary answers,
   and whatever is between the bytes of a body.
2. Whatever leaves doubt about where an answer ends is no answer: two lengths, a length beside a transfer coding, bad
   chunks, folded lines, control characters. Lines may end in a bare LF, and chunk sizes may be padded: both exist.
3. What ends with its connection was whole if the connection ended in order, and if nothing else had been promised.
4. No more than `read_limit` bytes of a body are read, no more than `stored_limit` kept, and none is decoded.
5. After one answer, the connection is good for another only if both sides said so and not a byte came beyond it.
"""

import functools
import math
import re

import httptools

from hookwright.sender import Failure, Response
from hookwright.senders.faults import INCOMPLETE, MALFORMED, UNANSWERED

MAX_HEADERS = 64
MAX_LINE = 8190
MAX_HEAD = 32_768
"""Of all lines of a head together."""
MAX_UNSPENT = 65_536
"""Bytes that may come without anything coming of them: a complete head, or bytes of a body."""
MAX_INFORMATIONAL = 8
MAX_FRAMING = 8
"""Bytes beside each byte of a body that may be read, on the average; a chunk of one byte has five."""

_FRAMING = (b"content-length", b"transfer-encoding")
_CONSENT = (b"webhook-allowed-origin", b"webhook-allowed-rate")
"""CloudEvents, HTTP 1.1 Web Hooks, 4.2."""
_NOTED = frozenset({b"retry-after", b"keep-alive", b"location", *_FRAMING, *_CONSENT})
SHOWN_LOCATION = 2048
"""As long as a URL of ours may be."""
_TIMEOUT = re.compile(rb"(?:^|[\s,;])timeout\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)


class _Stop(Exception):
    """Ends the parser from inside a callback."""


class Answers:
    """Reads one answer after another; `expect` comes before each. `answered`: the head of the last one is complete.

    `kept_seconds`: how long the peer can be relied on to keep the connection unused, as far as it ever said.
    """

    __slots__ = (
        "_body", "_complete", "_consent", "_fed", "_framed", "_framing_limit", "_head", "_headers", "_informational", "_limits",
        "_location", "_most", "_parser",
        "_read_limit", "_retry_after", "_size", "_status", "_stored_limit", "_unspent", "answered", "kept_seconds", "reusable",
    )  # fmt: skip

    def __init__(self, read_limit: int, stored_limit: int) -> None:
        self._limits = read_limit, stored_limit
        self._limit(None)
        self.kept_seconds = math.inf
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self.expect()

    def expect(self, most: int | None = None) -> None:
        """A request is on its way. `most`: bytes of its answer that are read and kept, instead of both limits."""
        if most != self._most:
            self._limit(most)
        self.answered = self.reusable = self._complete = False
        self._informational = self._unspent = self._fed = self._size = 0
        self._body = bytearray()

    def _limit(self, most: int | None) -> None:
        self._most = most
        self._read_limit, self._stored_limit = self._limits if most is None else (most, most)
        self._framing_limit = MAX_FRAMING * self._read_limit + (MAX_INFORMATIONAL + 1) * MAX_UNSPENT

    def feed(self, data: bytes) -> Response | Failure | None:
        """The result, as soon as there is one; then nothing more is to be fed before the next `expect`."""
        self._unspent += len(data)
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            if self._complete or self._size > self._read_limit:
                return self._response()
            return MALFORMED
        if self._complete:
            return self._response()
        return MALFORMED if self._unspent > MAX_UNSPENT or self._fed - self._size > self._framing_limit else None

    def end(self) -> Response | Failure:
        """The result when the peer has closed its side, in order, and there was none before."""
        self.reusable = False
        if not self.answered:
            return UNANSWERED
        return INCOMPLETE if self._framed else self._response()

    def close(self) -> None:
        """The parser holds this object and is held by it."""
        del self._parser

    def _response(self) -> Response:
        size = self._size
        truncated = size > self._stored_limit or size > self._read_limit
        location = self._location if 300 <= self._status < 400 else None
        return Response(self._status, bytes(self._body), truncated, self._retry_after, self._consent, location)

    # The parser's side

    def on_message_begin(self) -> None:
        if self._complete:
            raise _Stop  # not a byte of it may count as an answer to the next request
        self._headers = self._head = 0
        self._retry_after: str | None = None
        self._consent: tuple[tuple[str, str], ...] = ()
        self._location: str | None = None
        self._framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        length = len(name) + len(value)
        self._headers += 1
        self._head += length
        if self._headers > MAX_HEADERS or length > MAX_LINE or self._head > MAX_HEAD:
            raise _Stop
        lowered = name.lower()
        if lowered in _NOTED and not self.answered:  # trailers come through here too, and are no headers
            self._note(lowered, value)

    def _note(self, name: bytes, value: bytes) -> None:
        if name in _FRAMING:
            self._framed = True
        elif name == b"keep-alive":
            self.kept_seconds = _relied_on(value)
        elif name in _CONSENT:
            self._consent += ((name.decode("latin-1"), value.decode("latin-1")),)
        elif name == b"location":
            self._location = value[:SHOWN_LOCATION].decode("latin-1")
        elif self._retry_after is None:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._unspent = 0
        self._status = status = self._parser.get_status_code()
        if status >= 200 or status == 101:
            self.answered = True
            return
        self._informational += 1
        if status < 100 or self._informational > MAX_INFORMATIONAL:
            raise _Stop

    def on_body(self, body: bytes) -> None:
        self._unspent = 0
        room = self._stored_limit - self._size
        self._size += len(body)
        if room > 0:
            self._body += body if len(body) <= room else body[:room]
        if self._size > self._read_limit:
            raise _Stop

    def on_message_complete(self) -> None:
        if self.answered:
            self._complete = True
            self.reusable = self._parser.should_keep_alive()


@functools.lru_cache(maxsize=64)
def _relied_on(keep_alive: bytes) -> float:
    """Of a Keep-Alive header (RFC 2068, 19.7.1.1): its timeout, less a second in which a request may be on its way."""
    announced = _TIMEOUT.search(keep_alive)
    return math.inf if announced is None else int(announced[1]) - 1.0
