"""The sandbox of a simulation: scripts take their time, fail, are stopped or find no place, as the seed says."""

import asyncio
import random
from collections.abc import Callable

from hookwright.errors import Busy
from hookwright.sandbox import Draft, Returned, Script, Stopped

KINDS, ORDINARY = ("same", "busy", "error", "time"), (20, 4, 2, 1)


class Scripts:
    """Every script leaves its message as it was. Once it is `fine`, at once; before that, late and not always."""

    def __init__(self, rand: random.Random, fine: Callable[[], bool]) -> None:
        self._rand, self._fine = rand, fine

    async def run(self, script: Script) -> Returned | Stopped:
        kind = "same"
        if not self._fine():
            await asyncio.sleep(self._rand.choice((0.0, 0.01, 0.3, 4.0)))
            kind = self._rand.choices(KINDS, ORDINARY)[0]
        if kind == "busy":
            raise Busy("too many wait")
        if kind == "error":
            return Stopped("error", "a mistake")
        return Returned('{"kind":"same"}') if kind == "same" else Stopped("time", "it took too long")

    async def check(self, draft: Draft) -> Stopped | None:
        return None

    async def close(self) -> None:
        pass
