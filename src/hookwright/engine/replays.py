"""Sending again by hand: one message (resend), or what an endpoint had or missed since a time, as a task in the background.

Each adds rounds of its own and never touches the automatic schedule. A task is kept in the store and carried out in slices, so
that it survives a crash, never holds up a group commit, and adds no more than the endpoint takes.
"""

import asyncio
from collections.abc import Callable

from hookwright.clock import Clock
from hookwright.domain.deliveries import Delivery
from hookwright.domain.tasks import Kind, Selection, Task
from hookwright.engine.herald import Deliverer
from hookwright.engine.slices import SLICE
from hookwright.ids import Minter
from hookwright.store import Once, Remembered, Store
from hookwright.store.deliveries import Resend
from hookwright.store.tasks import Continued, ContinueTasks, Glance, LookAhead, NextSlice, StartTask

MOST_RUNNING = 20
"""Tasks of one endpoint at a time."""
LEAST_WAIT = 1.0
"""Seconds between two looks at tasks that wait for their time: what they add meanwhile they may add at once."""
GLANCES = 50
"""A preview looks at so many slices."""


class Replays:
    def __init__(
        self, *, store: Store, dispatcher: Deliverer, clock: Clock, minter: Minter, begin: Callable[[], None], rate: int = 50
    ) -> None:
        """`begin` makes somebody call `carry_on` soon. `rate`: messages a second that a task adds, if it has no rate of its own."""
        self._store, self._dispatcher, self._clock, self._minter = store, dispatcher, clock, minter
        self._begin, self._rate = begin, rate
        self._alarm: asyncio.TimerHandle | None = None

    async def resend(self, application: str, endpoint: str, message: str, once: Once[Delivery] | None = None) -> Delivery | Remembered:
        """One more attempt, committed when this returns. Raises NotFound, BadRequest `missing_payload`."""
        command = Resend(application=application, endpoint=endpoint, message=message, now=self._clock.now())

        def committed(delivery: Delivery) -> None:
            self._dispatcher.wake(delivery.key.endpoint, delivery.due_at)

        return await self._store.write(command, once=once, on_commit=committed)

    async def start(
        self, kind: Kind, application: str, endpoint: str, selection: Selection, once: Once[Task] | None = None
    ) -> Task | Remembered:
        """Begin to send again what `kind` and `selection` say. Raises NotFound, BadRequest `limit_reached`."""
        now = self._clock.now()
        command = StartTask(
            task=self._minter.mint("qtask", now), kind=kind, application=application, endpoint=endpoint, selection=selection,
            most=MOST_RUNNING, now=now,
        )  # fmt: skip
        return await self._store.write(command, once=once, on_commit=lambda _: self._begin())

    async def preview(self, kind: Kind, application: str, endpoint: str, selection: Selection) -> Glance:
        """How many messages a task would send again now; with a mark, if there may be more than were looked at. Raises NotFound."""
        found = Glance(0, None)
        for _ in range(GLANCES):
            query = LookAhead(
                kind=kind, application=application, endpoint=endpoint, selection=selection, mark=found.mark, limit=2 * SLICE
            )  # fmt: skip
            seen = await self._store.read(query)
            found = Glance(found.messages + seen.messages, seen.mark)
            if seen.mark is None:
                break
            await asyncio.sleep(0)
        return found

    async def carry_on(self) -> bool:
        """One slice of every task whose time has come; whether there is more to do at once.

        What another process is at is left to it. Where there is more to do later, `begin` is called then.
        """
        at = await self._store.read(NextSlice())
        if at is None:
            return False
        now = self._clock.now()
        if at > now:
            self._wait((at - now) / 1000)
            return False

        def committed(continued: Continued) -> None:
            for endpoint in continued.endpoints:
                self._dispatcher.wake(endpoint, now)

        command = ContinueTasks(now=now, limit=SLICE, rate=self._rate)
        return (await self._store.write(command, on_commit=committed)).tasks > 0

    def _wait(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(max(LEAST_WAIT, seconds), self._begin)
