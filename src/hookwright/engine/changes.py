"""Every change that is not the path of a message goes through here: commit it, then let the engine know.

What the engine keeps in memory (applications, endpoints) is dropped after the commit that changed it, so the next
message and the next attempt see the new state.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, overload

from hookwright.engine.directory import Directory
from hookwright.engine.herald import Deliverer
from hookwright.errors import NotFound
from hookwright.store import Command, Once, Remembered, Store
from hookwright.store.applications import DeleteApplication
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import Canceled, CancelMessage

R = TypeVar("R")


class Changes:
    def __init__(self, store: Store, directory: Directory, dispatcher: Deliverer, *, tidy: Callable[[], None]) -> None:
        """`tidy` makes the janitor come soon: what is deleted leaves live deliveries to be ended."""
        self._store, self._directory, self._dispatcher, self._tidy = store, directory, dispatcher, tidy

    @overload
    async def apply(self, command: Command[R], *, application: str | None = None, endpoint: str | None = None, once: None = None) -> R: ...

    @overload
    async def apply(
        self, command: Command[R], *, application: str | None = None, endpoint: str | None = None, once: Once[R] | None
    ) -> R | Remembered: ...

    async def apply(
        self, command: Command[R], *, application: str | None = None, endpoint: str | None = None, once: Once[R] | None = None
    ) -> R | Remembered:
        """Commit `command` and drop what is remembered of `application` (an id) and `endpoint` (an id).

        A disabled endpoint's queued deliveries go back to the store, an enabled one's are taken up at once. Raises
        what the store raises.
        """

        def tell(_: R) -> None:
            if application is not None:
                self._directory.forget(application)
            if endpoint is not None:
                self._dispatcher.endpoint_changed(endpoint)
            if isinstance(command, DeleteApplication | DeleteEndpoint):
                self._tidy()

        return await self._store.write(command, once=once, on_commit=tell)

    async def cancel_message(self, application: str, message: str, now: int, once: Once[Canceled] | None = None) -> Canceled | Remembered:
        """End what is live of a message (both are ids) and not being sent at this moment. Raises NotFound.

        What other processes have queued is ended by them, soon after.
        """
        held = self._dispatcher.take_out(message)
        return await self._cancel(CancelMessage(application=application, message=message, held=tuple(held), now=now), once)

    async def cancel_held(self, application: str, message: str, now: int) -> None:
        """End what this process has queued of a message, and nothing else: another was asked to cancel it."""
        held = self._dispatcher.take_out(message)
        if held:
            with suppress(NotFound):
                await self._cancel(CancelMessage(application=application, message=message, held=tuple(held), alone=True, now=now))

    async def _cancel(self, command: CancelMessage, once: Once[Canceled] | None = None) -> Canceled | Remembered:
        def tell(canceled: Canceled) -> None:
            for endpoint in canceled.behind:
                self._dispatcher.wake(endpoint, 0)

        try:
            return await self._store.write(command, once=once, on_commit=tell)
        finally:  # also what was left, because nothing was committed or the request is only a repetition
            self._dispatcher.put_back(command.held)
