"""`python -m tests.torture.skewed`: `hookwright serve` with a wall clock that somebody else sets.

How far it is off (ms, 8 bytes, little-endian) is in the file that TORTURE_CLOCK names, and may change at any moment.
"""

import mmap
import os
import struct
import sys
from pathlib import Path

from hookwright import clock
from hookwright.cli import main

OFFSET = struct.Struct("<q")
VARIABLE = "TORTURE_CLOCK"


def set_clock(file: Path, offset_ms: int) -> None:
    """The file must be there: a server may have it open."""
    with file.open("r+b") as opened:
        opened.write(OFFSET.pack(offset_ms))


def skew(file: Path) -> None:
    """From now on this process's clock is as far off as the file says."""
    with file.open("rb") as opened:
        shared = mmap.mmap(opened.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    right = clock.SystemClock.now

    def now(self: clock.SystemClock) -> int:
        return right(self) + int(OFFSET.unpack_from(shared)[0])

    clock.SystemClock.now = now  # type: ignore[method-assign]


if __name__ == "__main__":
    skew(Path(os.environ[VARIABLE]))
    sys.argv = ["hookwright", "serve"]
    main()
