"""Where a process that delivers nothing has its dispatcher: it hands to others what is to be delivered.

What it accepts is inserted unowned (`reserve` says no), and whoever delivers is woken. What changes needs no word of it: the
others read the news.
"""

from collections.abc import Sequence
from typing import Protocol

from hookwright.domain.deliveries import Fence, Key
from hookwright.engine.jobs import Job
from hookwright.engine.wakeups import Wakeups

Held = tuple[Key, Fence]
"""A delivery that is in somebody's hands, and not being sent."""


class Deliverer(Protocol):
    """What accepts and changes see of whoever delivers: the dispatcher, or a herald. `dispatcher.py` says what each is."""

    owner: int

    def reserve(self, endpoint: str, size: int) -> bool: ...

    def unreserve(self, count: int, size: int) -> None: ...

    def admit(self, job: Job) -> None: ...

    def leave(self, endpoint: str, due_at: int) -> None: ...

    def wake(self, endpoint: str, due_at: int) -> None: ...

    def endpoint_changed(self, endpoint: str) -> None: ...

    def health_changed(self, application: str, endpoint: str) -> None: ...

    def everything_changed(self) -> None: ...

    def message_expunged(self, message: str) -> None: ...

    def take_out(self, message: str) -> list[Held]: ...

    def put_back(self, taken: Sequence[Held]) -> None: ...

    def lease(self, until: float) -> None: ...

    def begin_again(self, owner: int) -> None: ...

    async def look_again(self) -> None: ...

    async def look_on(self, after: str = "", late_ms: int = 0) -> str | None: ...

    async def stop(self, grace: float) -> None: ...


class Herald:
    """Claims nothing, and yet is a node: others see of which release it is, and it ends those that are silent."""

    def __init__(self, owner: int, wakeups: Wakeups) -> None:
        self.owner, self._wakeups = owner, wakeups

    def reserve(self, endpoint: str, size: int) -> bool:
        return False

    def unreserve(self, count: int, size: int) -> None: ...

    def admit(self, job: Job) -> None:
        raise AssertionError("nothing is claimed here")

    def leave(self, endpoint: str, due_at: int) -> None:
        self._wakeups.tell(endpoint)

    wake = leave

    def endpoint_changed(self, endpoint: str) -> None: ...

    def health_changed(self, application: str, endpoint: str) -> None: ...

    def everything_changed(self) -> None: ...

    def message_expunged(self, message: str) -> None: ...

    def take_out(self, message: str) -> list[Held]:
        return []

    def put_back(self, taken: Sequence[Held]) -> None: ...

    def lease(self, until: float) -> None: ...

    def begin_again(self, owner: int) -> None:
        self.owner = owner

    async def look_again(self) -> None:
        """What was freed may be anywhere."""
        self._wakeups.tell_anywhere()

    async def look_on(self, after: str = "", late_ms: int = 0) -> str | None:
        return None

    async def stop(self, grace: float) -> None: ...
