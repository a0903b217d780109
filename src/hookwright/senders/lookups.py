"""From host names to addresses, in threads that a name server may hold for ever.

Duty: names that hang cost their own deliveries and nobody else's, nor the end of the process. getaddrinfo cannot be
interrupted: what is given up after seconds still keeps its thread, for as long as the resolver tries. So:

1. One lookup per name serves all who wait for it. A name that did not answer in time is answered as such for
   `LATE_SECONDS` without a thread, and never holds more than `PER_NAME` of them.
2. The time limit of a lookup starts when a thread does. Waiting for a thread is bounded by the caller, who is cancelled
   at the attempt's deadline and then leaves the queue.
3. `RESERVED` of the threads, and the first places in the queue, are for names that have answered before. Hanging names
   can be made up without end, and with them all other threads can be held; those who receive already do not notice.
4. The threads are daemons of our own: the interpreter waits at its end for those of concurrent.futures.
"""

import asyncio
import contextlib
import socket
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from hookwright.domain.addresses import is_local_name

Lookup = Callable[[str], Sequence[str]]
"""From a host name to its addresses, as text. Blocks, in a thread. Whatever it raises means that there are none."""

MAX_RECORDS = 16
THREADS = 64
RESERVED = 16
PER_NAME = 2
LATE_SECONDS = 30.0
FRESH_SECONDS = 10.0
"""An answer is used for that long. getaddrinfo does not tell its TTL; many connections to one host begin at once."""
KNOWN_NAMES = 10_000


class LookupTimedOut(OSError):
    """No answer from DNS in time."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


def system_lookup(name: str) -> Sequence[str]:
    # The root dot keeps resolv.conf's search list out of it: customers name hosts on the internet, not in our
    # domain. A local name can only come this far when the operator opened a network, and needs that list.
    absolute = name if is_local_name(name) or name.endswith(".") else name + "."
    found = socket.getaddrinfo(absolute, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class _Flight:
    """One lookup and those who wait for it. `found` is None when there was no answer in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.found: asyncio.Future[Sequence[str] | None] = loop.create_future()
        self.waiting = 0
        self.limit: asyncio.TimerHandle | None = None


class Lookups:
    """Carries out `lookup` under the rules above, `timeout` seconds at most for each. Used from one event loop."""

    def __init__(self, lookup: Lookup = system_lookup, *, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._lookup = lookup
        self._timeout = timeout
        self._flights: dict[str, _Flight] = {}
        self._answers: OrderedDict[str, tuple[Sequence[str], float]] = OrderedDict()
        """The last answer of each name that has one, and until when it is used; a stale one makes the name known."""
        self._late: OrderedDict[str, float] = OrderedDict()
        self._known_first: tuple[OrderedDict[str, _Flight], OrderedDict[str, _Flight]] = OrderedDict(), OrderedDict()
        self._calls: SimpleQueue[tuple[str, _Flight] | None] = SimpleQueue()
        self._threads = 0
        self._held: Counter[str] = Counter()
        self._busy = 0

    async def find(self, name: str) -> Sequence[str]:
        """At most MAX_RECORDS addresses; none for a name that has none or whose lookup failed. Raises LookupTimedOut."""
        now = self._loop.time()
        answer = self._answers.get(name)
        if answer is not None and now < answer[1]:
            return answer[0]
        flight = self._flights.get(name)
        if flight is None:
            if now < self._late.get(name, now) or self._held[name] >= PER_NAME:
                raise LookupTimedOut
            flight = self._flights[name] = _Flight(self._loop)
            self._known_first[answer is None][name] = flight
            self._hand_over()
        flight.waiting += 1
        try:
            found = await asyncio.shield(flight.found)
        finally:
            flight.waiting -= 1
            if not flight.waiting and flight.limit is None:
                self._finish(name, flight, None)
        if found is None:
            raise LookupTimedOut
        return found

    def close(self) -> None:
        """Answer those who wait, and let the threads end that can; those that hang do not keep the process."""
        for name, flight in list(self._flights.items()):
            self._finish(name, flight, None)
        for _ in range(self._threads):
            self._calls.put(None)

    def _hand_over(self) -> None:
        """Give what is queued to threads, as far as there are any."""
        known, new = self._known_first
        while (left := THREADS - self._busy) > 0 and (known or (new and left > RESERVED)):
            name, flight = (known or new).popitem(last=False)
            if self._busy == self._threads and not self._add_thread():
                self._finish(name, flight, ())
                continue
            self._busy += 1
            self._held[name] += 1
            flight.limit = self._loop.call_later(self._timeout, self._give_up, name, flight)
            self._calls.put((name, flight))

    def _add_thread(self) -> bool:
        try:
            threading.Thread(target=self._work, name="hookwright-dns", daemon=True).start()
        except RuntimeError:  # the system has none left
            return False
        self._threads += 1
        return True

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            name, flight = call
            try:
                found = tuple(self._lookup(name))[:MAX_RECORDS]
            except Exception:  # gaierror, UnicodeError of a label that is none: no address, whatever the reason
                found = ()
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                self._loop.call_soon_threadsafe(self._end, name, flight, found)

    def _end(self, name: str, flight: _Flight, found: Sequence[str]) -> None:
        """A thread is free again. An answer that comes late is an answer to the next who asks."""
        self._busy -= 1
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name]
        if found:
            self._late.pop(name, None)
            self._answers[name] = found, self._loop.time() + FRESH_SECONDS
            self._answers.move_to_end(name)
            if len(self._answers) > KNOWN_NAMES:
                self._answers.popitem(last=False)
        self._finish(name, flight, found)
        self._hand_over()

    def _give_up(self, name: str, flight: _Flight) -> None:
        now = self._loop.time()
        while self._late and next(iter(self._late.values())) <= now:
            self._late.popitem(last=False)
        self._late[name] = now + LATE_SECONDS
        self._late.move_to_end(name)
        self._answers.pop(name, None)
        self._finish(name, flight, None)

    def _finish(self, name: str, flight: _Flight, found: Sequence[str] | None) -> None:
        if flight.limit is not None:
            flight.limit.cancel()
        if self._flights.get(name) is flight:
            del self._flights[name]
            for queue in self._known_first:
                queue.pop(name, None)
        if not flight.found.done():
            flight.found.set_result(found)
