"""What all connections of one server share: the limits, their number, the sweep, and whether the server is stopping."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Protocol, cast

from uvicorn.server import ServerState

from hookwright.api.limits import Limits

SLICE = 100
"""Connections that a sweep looks at before the others get their turn: a few milliseconds, if all have to be closed."""


class Guarded(Protocol):
    """A connection as the guard knows it."""

    transport: asyncio.Transport

    def check(self, now: float, passed: float) -> None:
        """One look per sweep."""

    def shutdown(self) -> None:
        """Close if nothing is under way; else when it is done."""


class Guard:
    def __init__(self, limits: Limits, state: ServerState) -> None:
        self.limits = limits
        self.state = state
        self.stopping = False
        self.quiet = asyncio.Event()
        self._connections = cast(set[Guarded], state.connections)
        self._addresses: Counter[str] = Counter()

    def admit(self, address: str | None) -> bool:
        """Count a connection that was made, until `note_departure`; whether it may stay."""
        if address is not None:
            self._addresses[address] += 1
        if self.stopping or len(self._connections) > self.limits.max_connections:
            return False
        most = self.limits.max_connections_per_address
        return most is None or address is None or self._addresses[address] <= most

    def note_departure(self, address: str | None) -> None:
        if address is not None:
            self._addresses[address] -= 1
            if self._addresses[address] <= 0:
                del self._addresses[address]
        self._note_quiet()

    def sweep(self, now: float, passed: float) -> Iterator[None]:
        """Hold every connection to its deadline, and pause now and then: ending thousands at once would hold up the others.

        `now` is the loop's time, `passed` the seconds since the last sweep.
        """
        for number, connection in enumerate(list(self._connections), 1):
            if connection in self._connections:  # still, after the pauses
                connection.check(now, passed)
            if number % SLICE == 0:
                yield

    def stop(self) -> None:
        """Close what is idle, let the rest finish; `quiet` is set when the last connection is gone."""
        self.stopping = True
        for connection in list(self._connections):
            connection.shutdown()
        self._note_quiet()

    def abort(self) -> None:
        for connection in list(self._connections):
            connection.transport.abort()

    def _note_quiet(self) -> None:
        if self.stopping and not self._connections:
            self.quiet.set()
