"""Waiting for what a server does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T | None], seconds: float = 30.0) -> T:
    """What `probe` finds, as soon as it finds something; fail if it never does."""
    deadline = time.monotonic() + seconds
    while (found := probe()) is None:
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return found
