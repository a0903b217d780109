"""The wall clock as an argument.

Whole milliseconds since the Unix epoch are the unit of every `..._at` and `now` in this code base. Durations
inside a process come from the event loop's own monotonic clock, so that a simulated loop governs both.
"""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Unix time in milliseconds."""


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000
