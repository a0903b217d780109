"""Whose script is run next: so many at once, and every tenant in turn.

Duty: one tenant's scripts, however many and however long, delay another's by no more than one that runs already. So an
application never has all places, and gets one turn while others of its organization wait; and an organization, however many
applications it has, gets one while others wait. What waits is bounded, first of each application and then of all together; one
of which nothing waits is always let in.
"""

import asyncio
from collections import Counter, OrderedDict, deque

from hookwright.errors import Busy
from hookwright.sandbox import Tenant

_Queue = deque[asyncio.Future[None]]


class Turns:
    """`places`: scripts that run at once. `most`, `most_of_one`: that wait, of all tenants and of one."""

    def __init__(self, places: int, *, most: int = 256, most_of_one: int = 64) -> None:
        self._free = places
        self._places_of_one = max(1, places - 1)
        self._most, self._most_of_one = most, most_of_one
        self._running: Counter[Tenant] = Counter()
        self._organizations: OrderedDict[str, OrderedDict[Tenant, _Queue]] = OrderedDict()
        """The queues of each, those whose turn was longest ago first. Where nothing waits there is nothing."""
        self._waiting = 0

    async def take(self, tenant: Tenant) -> None:
        """Return when it is this tenant's turn; `give` it back afterwards. Raises Busy."""
        queues = self._organizations.get(tenant.organization)
        queue = None if queues is None else queues.get(tenant)
        if queue is None and self._may_run(tenant):
            self._begin(tenant)
            return
        if queue is not None and (len(queue) >= self._most_of_one or self._waiting >= self._most):
            raise Busy("too many transformations of this application wait for their turn")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._organizations.setdefault(tenant.organization, OrderedDict()).setdefault(tenant, deque()).append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(tenant)
            else:
                self._forget(tenant, turn)
            raise

    def give(self, tenant: Tenant) -> None:
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]
        self._free += 1
        self._next()

    def _may_run(self, tenant: Tenant) -> bool:
        return self._free > 0 and self._running[tenant] < self._places_of_one

    def _begin(self, tenant: Tenant) -> None:
        self._free -= 1
        self._running[tenant] += 1

    def _next(self) -> None:
        for organization in tuple(self._organizations):
            if not self._free:
                return
            self._serve(organization)

    def _serve(self, organization: str) -> None:
        """Its next application that may run, if there is one."""
        queues = self._organizations[organization]
        for tenant, queue in queues.items():
            turn = next((turn for turn in queue if not turn.cancelled()), None)
            if turn is not None and self._may_run(tenant):
                self._organizations.move_to_end(organization)
                queues.move_to_end(tenant)
                self._forget(tenant, turn)
                self._begin(tenant)
                turn.set_result(None)
                return

    def _forget(self, tenant: Tenant, turn: asyncio.Future[None]) -> None:
        queues = self._organizations[tenant.organization]
        queues[tenant].remove(turn)
        self._waiting -= 1
        if not queues[tenant]:
            del queues[tenant]
        if not queues:
            del self._organizations[tenant.organization]
