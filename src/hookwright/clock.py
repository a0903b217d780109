"""The wall clock as an argument.

Whole milliseconds since the Unix epoch are the unit of every `..._at` and `now` in this code base. Durations
inside a process come from the event loop's own monotonic clock, so that a simulated loop governs both. Only a lease is
counted otherwise: the loop's time stands still while the machine is suspended, and a lease does not.
"""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Unix time in milliseconds."""


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


def elapsed() -> float:
    """Seconds since some moment: nobody sets them, and they go on while the machine is suspended, where the system can tell (Linux)."""
    return time.clock_gettime(_WITH_SUSPENSION)


_WITH_SUSPENSION = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
