"""Several processes as one: begun, watched, and ended together.

Duty: whoever runs this process has one thing to start, to signal and to wait for. Rules:

* The first child starts alone: it brings the schema up to date, and what is wrong with the configuration is said once.
* A child that has never been ready ends the whole with its own status: it would fail again. One that was ready and died is begun
  anew, later each time it dies young; and so is one that the machine has no room for at that moment.
* Each child has its standard input from here and nothing is ever written to it: its end is how a child learns that this process
  is gone, however it ended. Children are in sessions of their own, so that a terminal's Ctrl-C reaches them once, by us.
* Nothing is loaded here that a child needs: a child is a fresh process, not a copy of this one.
"""

import asyncio
import contextlib
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence

import structlog

log = structlog.get_logger("hookwright")
READY = b"ready\n"
"""What a child writes to its standard output once it listens."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
OLD = 60.0
"""Seconds after which a child's death says nothing about the next one's."""


class NeverReady(Exception):
    """A child ended before it was ever ready, and has said why; `status` is what a shell would call its end."""

    def __init__(self, status: int) -> None:
        super().__init__(f"a process ended with status {status} before it was ready")
        self.status = status


class Supervisor:
    def __init__(self, command: Callable[[int], Sequence[str]], environment: Mapping[str, str], *, patience: float) -> None:
        """`command` of the child with a number, from 1. One that was asked to end and has not after `patience` seconds is killed."""
        self._command, self._environment, self._patience = command, environment, patience
        self._children: dict[int, Process] = {}
        self._stopping = asyncio.Event()

    async def run(self, count: int, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Until `stop` is set and all have ended. `ready` is called once, when all are. Raises NeverReady, with no child left."""
        asking = asyncio.create_task(self._end_at(stop))
        keeping: list[asyncio.Task[None]] = []
        try:
            for group in ([1], range(2, count + 1)):
                begun = [asyncio.Event() for _ in group]
                keeping += [asyncio.create_task(self._keep(number, event)) for number, event in zip(group, begun, strict=True)]
                await self._all(begun, keeping)
            if not self._stopping.is_set():
                ready()
            await asyncio.gather(*keeping)
        finally:
            stop.set()
            await asyncio.gather(*keeping, return_exceptions=True)
            asking.cancel()

    def kill(self) -> None:
        """End every child at once."""
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    async def _all(self, begun: list[asyncio.Event], keeping: list[asyncio.Task[None]]) -> None:
        """Wait until all have begun, or one never will, or a stop is asked for."""

        async def every() -> None:
            for event in begun:
                await event.wait()

        waiting = [asyncio.create_task(every()), asyncio.create_task(self._stopped())]
        await asyncio.wait([*waiting, *keeping], return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for task in keeping:
            if task.done():
                task.result()

    async def _end_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping.set()
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        await asyncio.sleep(self._patience)
        log.error("a process does not end and is killed")
        self.kill()

    async def _keep(self, number: int, begun: asyncio.Event) -> None:
        """Have this child running until the stop."""
        loop = asyncio.get_running_loop()
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            born = loop.time()
            try:
                child = await self._begin(number)
            except OSError as error:  # the machine has no room for another process, perhaps
                if not begun.is_set():
                    raise
                log.error("a process cannot be begun and is tried again", worker=number, cause=str(error), seconds=pause)
            else:
                status = await self._live(number, child, begun)
                if self._stopping.is_set():
                    return
                if not begun.is_set():
                    raise NeverReady(status if status >= 0 else 128 - status)
                pause = SHORTEST_PAUSE if loop.time() - born > OLD else pause
                log.error("a process ended and is begun anew", worker=number, status=status, seconds=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _begin(self, number: int) -> Process:
        """Raises OSError when no process can be made."""
        return await asyncio.create_subprocess_exec(
            *self._command(number), stdin=PIPE, stdout=PIPE, env=self._environment, start_new_session=True
        )

    async def _live(self, number: int, child: Process, begun: asyncio.Event) -> int:
        """The life of one child; the status with which it ended."""
        self._children[number] = child
        if self._stopping.is_set():  # it was asked of those that were there
            child.send_signal(signal.SIGTERM)
        await self._follow(child, begun)
        status = await child.wait()
        del self._children[number]
        return status

    async def _stopped(self) -> None:
        await self._stopping.wait()

    async def _follow(self, child: Process, begun: asyncio.Event) -> None:
        """Until it closes its output, which is when it ends."""
        assert child.stdout is not None
        while line := await child.stdout.readline():
            if line == READY:
                begun.set()
