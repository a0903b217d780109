"""How a connection ends while its peer may still be sending: nothing more is parsed, and what comes is dropped.

The reading side stays open a moment, because closing on unread bytes makes the kernel reset the connection and lose the
last answer (RFC 9112, 9.6). The moment is bounded in time and in bytes, whatever the peer does.
"""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

from hookwright.api.arrivals import Arrival
from hookwright.api.limits import Limits

LINGER_SECONDS = 2.0
"""How long a peer that has its last answer may be silent before we hang up; one that still sends has `request_seconds`."""

DRAIN_BYTES = 64 * 1024 * 1024
"""The most of a body that is read only to be dropped, because its answer is out: an honest mistake, no endless stream."""

REFUSED_BYTES = 1024 * 1024
"""The same after a refusal. Reading a flood at full speed, even to drop it, would keep the interpreter from the others."""


class Departure:
    """A connection has one from its beginning. `deaf`: nothing more is parsed; `begun`: the last words are out, too.

    Between the two the answers under way are finished.
    """

    __slots__ = ("_arrival", "_began", "_deadline", "_flow", "_limits", "_most", "_transport", "begun", "deaf", "heard")

    def __init__(self, limits: Limits, transport: asyncio.Transport, flow: FlowControl, arrival: Arrival) -> None:
        self._limits, self._transport, self._flow, self._arrival = limits, transport, flow, arrival
        self.deaf = self.begun = False
        self.heard = False  # the peer was still sending at the last sweep
        self._most = DRAIN_BYTES
        self._began = self._deadline = 0.0

    def refuse(self) -> None:
        """Stop to listen, because of what was heard."""
        self.deaf = True
        self._most = REFUSED_BYTES

    def drop(self, size: int) -> None:
        self.heard = True
        self._arrival.size += size
        if self._arrival.size > self._most:
            self._flow.pause_reading()

    def begin(self, now: float, words: bytes) -> None:
        """Say the last words."""
        self.deaf = True
        self._start(now)
        self._flow.resume_reading()
        if words:
            self._transport.write(words)
        self._transport.write_eof()

    def check(self, now: float) -> None:
        """A peer that does not take its last bytes, or does not stop sending, does not keep us."""
        if not self.begun:  # the transport is closing by itself
            self._start(now)
        elif self.heard and now < self._began + self._limits.request_seconds and self._arrival.size <= self._most:
            self.heard = False
            self._deadline = max(self._deadline, now + LINGER_SECONDS)
        elif now >= self._deadline:
            self._transport.abort()

    def _start(self, now: float) -> None:
        """What has not been taken of the last answer keeps its time."""
        self.begun, self.heard, self._began = True, False, now
        self._deadline = now + (self._limits.request_seconds if self._transport.get_write_buffer_size() else LINGER_SECONDS)
