"""One connection of the sender: a request out in one write, its answer in, and then it is another's or gone.

Duty: an exchange ends exactly once, with whatever comes first of its answer, its deadline, its cancellation and the end
of the connection; and at that moment, not later, the connection is unused again or on its way to be closed. What a peer
sends while it owes no answer ends the connection: it would pass for the answer to the next request, and a message would
count as delivered that nobody has read.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from hookwright.sender import Failure, Response, TlsIdentity
from hookwright.senders.answers import Answers
from hookwright.senders.faults import MALFORMED, UNANSWERED, late, of_break
from hookwright.senders.timeouts import Timeouts

_JOINED = 65_536
"""Bodies up to here are copied behind their head, which is cheaper than to write two pieces."""
READ_SIZE = 65_536
"""Bytes that TLS computes with in one turn of the loop, for one connection."""
MAX_NOISE = 131_072
"""Bytes of TLS records that may come without a byte in them for us: session tickets, new keys and their like."""
NOISE_PER_BYTE = 32
"""A record with one byte in it has about as many."""

Key = tuple[bool, str, int] | tuple[bool, str, int, TlsIdentity]
"""Whether by TLS, host, port, and as whom and whom we trust, if that is not for all the same."""


class Home(Protocol):
    """Whose connections they are."""

    def release(self, connection: "Connection", *, reusable: bool) -> None:
        """An exchange has ended; what is not reusable is still open."""

    def forget(self, connection: "Connection") -> None:
        """It can be used no more. Told at least once, of every connection."""


class Connection(asyncio.Protocol):
    """`key`: for what it may be used again. `fault`: why it can be used no more, if so. `opened_at` is the loop's time."""

    transport: asyncio.Transport
    _wire: asyncio.Transport
    """Below `transport` if that is TLS, which counts only what it has not handed down."""
    fault: Failure | None = None
    _waiter: asyncio.Future[Response | Failure] | None = None
    _deadlines: Timeouts["Connection"] | None = None
    _noise = 0

    def __init__(self, key: Key, home: Home, answers: Answers) -> None:
        self._loop = asyncio.get_running_loop()
        self._home, self._answers = home, answers
        self.key = key
        self.opened_at = self._loop.time()

    @property
    def answered(self) -> bool:
        """Whether the head of an answer has come in the exchange under way, or in the last one."""
        return self._answers.answered

    @property
    def kept_seconds(self) -> float:
        """For how long after an answer its receiver can be relied on to keep this connection, by its own word."""
        return self._answers.kept_seconds

    async def exchange(
        self, head: bytes, body: bytes, deadlines: Timeouts["Connection"] | None = None, most: int | None = None
    ) -> Response | Failure:
        """Send a request and wait for what comes of it, no longer than `deadlines` do, which call `expire`. `most` as in `Request`.

        For a connection without fault that nobody else uses.
        """
        waiter: asyncio.Future[Response | Failure] = self._loop.create_future()
        self._waiter = waiter
        self._deadlines = deadlines
        if deadlines is not None:
            deadlines.add(self)
        self._answers.expect(most)
        if len(body) > _JOINED:
            self.transport.writelines((head, body))
        else:
            self.transport.write(head + body)
        try:
            return await waiter
        except asyncio.CancelledError:
            if self._waiter is waiter:  # else the exchange has ended, and the connection may be another's by now
                self._end(UNANSWERED, reusable=False)
            raise

    def expire(self, seconds: float) -> None:
        """The exchange under way has not ended within so many."""
        self._end(late(seconds, answered=self.answered), reusable=False)

    def abort(self) -> None:
        """Close at once: the peer is not waited for, as the polite end of TLS would."""
        self.transport.abort()

    def _end(self, result: Response | Failure, *, reusable: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None:
            return
        if self._deadlines is not None:
            self._deadlines.remove(self)
        self._home.release(self, reusable=reusable)
        if not waiter.done():  # else it was cancelled
            waiter.set_result(result)

    def fail(self, failure: Failure) -> None:
        """Close at once; whatever is under way has failed."""
        self.fault = self.fault or failure
        self._home.forget(self)
        self._end(failure, reusable=False)
        self.transport.abort()

    def meter(self, transport: asyncio.Transport) -> None:
        """From now on TLS is spoken, over this connection's transport until now: `transport` is what is used instead."""
        tls = cast(asyncio.BufferedProtocol | None, self._wire.get_protocol())
        if tls is not None:  # else it was closed meanwhile
            self._wire.set_protocol(_Meter(self, tls))
        self.transport = transport

    def hear(self, size: int) -> None:
        """So many bytes have come; what they say comes to `data_received` meanwhile."""
        self._noise += size

    def heard(self) -> None:
        if self._noise > MAX_NOISE:
            self.fail(MALFORMED)

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._noise:
            self._noise = max(0, self._noise - NOISE_PER_BYTE * len(data))
        if self._waiter is None:
            self.fail(MALFORMED)
            return
        result = self._answers.feed(data)
        if result is not None:
            # An answer that came before its request was out leaves the rest of it in the way of the next one.
            unsent = self.transport.get_write_buffer_size() or self._wire.get_write_buffer_size()
            self._end(result, reusable=self._answers.reusable and not unsent)

    def eof_received(self) -> None:
        if self._waiter is not None:
            self._end(self._answers.end(), reusable=False)
        self.fail(UNANSWERED)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.eof_received()
        else:
            self.fail(of_break(exc))
        self._answers.close()


class _Meter(asyncio.BufferedProtocol):
    """Between a socket and TLS: counts what comes. Records that say nothing are computed with and never reach us, so that a receiver
    could send them without end, and a hundred of them would have the loop for themselves.
    """

    def __init__(self, connection: Connection, tls: asyncio.BufferedProtocol) -> None:
        self._connection, self._buffer, self._updated = connection, tls.get_buffer, tls.buffer_updated
        # What passes through unchanged goes there directly.
        self.eof_received, self.connection_lost = tls.eof_received, tls.connection_lost  # type: ignore[method-assign]
        self.pause_writing, self.resume_writing = tls.pause_writing, tls.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer(sizehint))[:READ_SIZE]

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.hear(nbytes)
        self._updated(nbytes)
        self._connection.heard()


Make = Callable[[], Connection]
