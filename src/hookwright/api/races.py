"""Read, change, write: again, when somebody else changed the thing in between."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hookwright.errors import Conflict
from hookwright.store import CHANGED

R = TypeVar("R")
RACES = 10


async def until_unraced(attempt: Callable[[], Awaitable[R]]) -> R:
    """What `attempt` gives when nobody else was faster. It begins with reading; the Conflict of the last of ten is raised."""
    for _ in range(RACES - 1):
        try:
            return await attempt()
        except Conflict as error:
            if error.code != CHANGED:
                raise
    return await attempt()
