"""An event loop whose time is a number: it never waits, it jumps to the next timer.

What runs in it is told apart by owner (a process, a node), so that one of them can be killed like a process: its tasks
end, nothing that they do meanwhile reaches the world, and their timers find nobody.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from contextvars import Context, ContextVar
from typing import Any

START = 1_750_000_000_000
"""Unix ms at which every simulation begins."""


class Owner:
    """Whoever can be killed. `tasks` in the order in which they began: a set has another each time, and so would the story."""

    def __init__(self) -> None:
        self.dead = False
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.context = Context()
        self.context.run(OWNER.set, self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work, context=self.context.copy())

    def kill(self) -> None:
        self.dead = True
        for task in list(self.tasks):
            task.cancel()


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)


class Deadlock(Exception):
    """Everybody waits, and no timer is set."""


class _Jump(selectors.SelectSelector):
    """Nothing is ever read from a socket: to wait is to move time."""

    time = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock
        self.time += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-6
        self.set_task_factory(_owned_task)
        self.set_exception_handler(lambda *_: None)  # what the killed leave behind; the checks speak for the others

    def time(self) -> float:
        return self._jump.time


class VirtualClock:
    """The wall clock of a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        return START + int(self._loop.time() * 1000 + 1e-3)


def _owned_task(loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    owner = context.get(OWNER) if context is not None else OWNER.get()
    if owner is not None:
        owner.tasks[task] = None
        tasks = owner.tasks
        task.add_done_callback(lambda done: tasks.pop(done, None))
        if owner.dead:
            task.cancel()
    return task
