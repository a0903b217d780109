"""Sending again by hand: one delivery (resend), or all that failed since a time (recover).

Each adds rounds of its own and never touches the automatic schedule. A recover is kept in the store and carried out in
slices, so that it survives a restart and never holds up a group commit.
"""

from collections.abc import Callable

from hookwright.clock import Clock
from hookwright.domain.deliveries import Delivery
from hookwright.engine.herald import Deliverer
from hookwright.engine.slices import SLICE
from hookwright.ids import Minter
from hookwright.store import Once, Remembered, Store
from hookwright.store.deliveries import Continued, ContinueRecovers, OpenRecovers, Resend, StartRecover


class Replays:
    def __init__(self, *, store: Store, dispatcher: Deliverer, clock: Clock, minter: Minter, begin: Callable[[], None]) -> None:
        """`begin` makes somebody call `carry_on` soon."""
        self._store, self._dispatcher, self._clock, self._minter = store, dispatcher, clock, minter
        self._begin = begin

    async def resend(self, application: str, endpoint: str, message: str, once: Once[Delivery] | None = None) -> Delivery | Remembered:
        """One more attempt, committed when this returns. Raises NotFound, BadRequest `missing_payload`."""
        command = Resend(application=application, endpoint=endpoint, message=message, now=self._clock.now())

        def committed(delivery: Delivery) -> None:
            self._dispatcher.wake(delivery.key.endpoint, delivery.due_at)

        return await self._store.write(command, once=once, on_commit=committed)

    async def recover(
        self, application: str, endpoint: str, since: int, until: int, once: Once[None] | None = None, *, task: str | None = None
    ) -> str | Remembered:
        """Begin to send again what failed in [since, until) (Unix ms, by message) and never succeeded; the task's id.

        `task` is an id minted by the caller, when it must be known before the commit. Raises NotFound.
        """
        now = self._clock.now()
        task = task or self._minter.mint("qtask", now)
        command = StartRecover(task=task, application=application, endpoint=endpoint, since=since, until=until, now=now)
        remembered = await self._store.write(command, once=once, on_commit=lambda _: self._begin())
        return task if remembered is None else remembered

    async def carry_on(self) -> bool:
        """One slice of every open recover; whether there is more to do. What another process is at is left to it."""
        if not await self._store.read(OpenRecovers()):
            return False
        now = self._clock.now()

        def committed(continued: Continued) -> None:
            for endpoint in continued.endpoints:
                self._dispatcher.wake(endpoint, now)

        return (await self._store.write(ContinueRecovers(now=now, limit=SLICE), on_commit=committed)).tasks > 0
