"""What a sender leaves of its sockets and places, and how its tests run: on both event loops that it may run on."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hookwright.sender import Response
from hookwright.senders.http import HttpSender
from hookwright.senders.pool import Pool
from tests.waiting import until

FINE = Response(200, b"ok", False)
"""What `receivers.OK` is to a sender."""
Run = Callable[[Coroutine[Any, Any, Any]], Any]


def sockets() -> int:
    """How many this process holds."""
    held = 0
    for each in Path("/proc/self/fd").iterdir():
        try:
            held += str(each.readlink()).startswith("socket:")
        except OSError:  # the one by which the folder is read
            continue
    return held


async def all_closed(before: int) -> None:
    """Returns when no more sockets are open than before."""
    await until(lambda: sockets() <= before)


def pool_of(sender: HttpSender) -> Pool:
    assert sender._pool is not None
    return sender._pool
