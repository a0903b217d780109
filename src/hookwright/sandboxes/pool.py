"""A few workers, begun when they are first needed, and every tenant's turn at them.

Where nobody has a transformation there is no process, and the engine is not even loaded: only workers do that.
"""

import asyncio
import logging

from hookwright.sandbox import Returned, Script, Stopped
from hookwright.sandboxes.turns import Turns
from hookwright.sandboxes.workers import Limits, Result, Worker, WorkerGone

log = logging.getLogger(__name__)
NOT_HERE = Stopped("crash", "the script could not be run on this server")


class ProcessSandbox:
    """Implements `sandbox.Sandbox`. `workers`: processes, and scripts that run at once. Belongs to the loop in which it first runs one."""

    def __init__(self, limits: Limits, *, workers: int) -> None:
        self._limits = limits
        self._turns = Turns(workers)
        self._idle: list[Worker] = []
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self, script: Script) -> Returned | Stopped:
        await self._turns.take(script.tenant)
        try:
            return await self._run(script)
        finally:
            self._turns.give(script.tenant)

    async def close(self) -> None:
        """Whoever still waits for a script is to be cancelled before."""
        while self._idle:
            self._end(self._idle.pop())
        if self._ending:
            await asyncio.wait(self._ending)

    async def _run(self, script: Script) -> Returned | Stopped:
        try:
            worker = self._idle_one() or await Worker.begin(self._limits)
        except OSError as error:
            log.error("no process for transformations can be begun: %s", error)
            return NOT_HERE
        kept = False
        try:
            async with asyncio.timeout(self._limits.patience):
                result = await worker.ask(script)
            kept = True
        except TimeoutError:
            return Stopped("time", "it took too much time and did not let itself be stopped")
        except WorkerGone as error:
            log.error("a process for transformations is gone: %s", error)
            return NOT_HERE
        finally:
            if kept:
                self._idle.append(worker)
            else:
                self._end(worker)
        return _told(result)

    def _idle_one(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.lives:
                return worker
            self._end(worker)
        return None

    def _end(self, worker: Worker) -> None:
        worker.kill()
        task = asyncio.get_running_loop().create_task(worker.gone())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _told(result: Result) -> Returned | Stopped:
    lines = tuple(result.log.splitlines())
    if result.answer is not None:
        return Returned(result.answer, lines)
    return Stopped(result.trouble, result.detail, result.line, lines)
