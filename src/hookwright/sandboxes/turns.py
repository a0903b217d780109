"""Whose script is run next: so many at once, and every tenant in turn.

Duty: one tenant's scripts, however many and however long, delay another's by no more than one that runs already. So a tenant
never has all places, and gets one turn while others wait. What waits is bounded, first of each tenant and then of all
together; a tenant of whom nothing waits is always let in.
"""

import asyncio
from collections import Counter, OrderedDict, deque

from hookwright.errors import Busy


class Turns:
    """`places`: scripts that run at once. `most`, `most_of_one`: that wait, of all tenants and of one."""

    def __init__(self, places: int, *, most: int = 256, most_of_one: int = 64) -> None:
        self._free = places
        self._places_of_one = max(1, places - 1)
        self._most, self._most_of_one = most, most_of_one
        self._running: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0

    async def take(self, tenant: str) -> None:
        """Return when it is this tenant's turn; `give` it back afterwards. Raises Busy."""
        queue = self._queues.get(tenant)
        if queue is None and self._may_run(tenant):
            self._begin(tenant)
            return
        if queue is not None and (len(queue) >= self._most_of_one or self._waiting >= self._most):
            raise Busy("too many transformations of this application wait for their turn")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(tenant, deque()).append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(tenant)
            else:
                self._forget(tenant, turn)
            raise

    def give(self, tenant: str) -> None:
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]
        self._free += 1
        self._next()

    def _may_run(self, tenant: str) -> bool:
        return self._free > 0 and self._running[tenant] < self._places_of_one

    def _begin(self, tenant: str) -> None:
        self._free -= 1
        self._running[tenant] += 1

    def _next(self) -> None:
        for tenant in tuple(self._queues):
            if not self._free:
                return
            turn = next((turn for turn in self._queues[tenant] if not turn.cancelled()), None)
            if turn is not None and self._may_run(tenant):
                self._queues.move_to_end(tenant)
                self._forget(tenant, turn)
                self._begin(tenant)
                turn.set_result(None)

    def _forget(self, tenant: str, turn: asyncio.Future[None]) -> None:
        self._queues[tenant].remove(turn)
        self._waiting -= 1
        if not self._queues[tenant]:
            del self._queues[tenant]
