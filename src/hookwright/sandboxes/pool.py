"""A few workers, begun when they are first needed, ended when nobody needs them, and every tenant's turn at them.

Where nobody has a transformation there is no process, and the engine is not even loaded: only workers do that.

A worker that is gone was killed from outside, or by what its script made of the engine. Nobody can tell which: so the script is
given to another one, and only if that is gone as well it is the script that is to blame. Where no worker can be begun it
is not: then everybody is told to come again.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, NamedTuple

import msgspec

from hookwright.errors import Busy
from hookwright.sandbox import Draft, Returned, Script, Stopped, Tenant
from hookwright.sandboxes.turns import Turns
from hookwright.sandboxes.workers import Limits, NoRoom, Result, Worker, WorkerGone

log = logging.getLogger(__name__)
QUIET_SECONDS = 60.0
TRIES = 2


class _Idle(NamedTuple):
    worker: Worker
    since: float
    """By the loop's clock."""


class ProcessSandbox:
    """Implements `sandbox.Sandbox`. `workers`: processes, and scripts that run at once; one that had nothing to do for `quiet` seconds is
    ended. Belongs to the loop in which it first runs one.
    """

    def __init__(self, limits: Limits, *, workers: int, quiet: float = QUIET_SECONDS) -> None:
        self._limits, self._quiet = limits, quiet
        self._turns = Turns(workers)
        self._idle: list[_Idle] = []
        """In the order in which they became so: the last is asked first."""
        self._tidying: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        """What begins and ends workers; whoever waits for one may be cancelled, these go on."""
        self._lacking = False

    async def run(self, script: Script) -> Returned | Stopped:
        return _told(await self._in_turn(script.tenant, script))

    async def check(self, draft: Draft) -> Stopped | None:
        told = _told(await self._in_turn(draft.tenant, draft))
        return told if isinstance(told, Stopped) else None

    async def close(self) -> None:
        """Whoever still waits for a script is to be cancelled before."""
        if self._tidying is not None:
            self._tidying.cancel()
        while self._idle:
            self._end(self._idle.pop().worker)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _in_turn(self, tenant: Tenant, request: msgspec.Struct) -> Result:
        await self._turns.take(tenant)
        try:
            for _ in range(TRIES):
                try:
                    return await self._ask(request)
                except WorkerGone as error:
                    log.error("a process for transformations is gone: %s", error)
            return Result(detail="the script could not be run: the processes that tried to are gone")
        finally:
            self._turns.give(tenant)

    async def _ask(self, request: msgspec.Struct) -> Result:
        """Raises WorkerGone, Busy."""
        worker = self._idle_one() or await self._new_one()
        kept = False
        try:
            async with asyncio.timeout(self._limits.patience):
                result = await worker.ask(request)
            kept = True
        except NoRoom as error:
            raise self._no_room("none can be forked") from error
        except TimeoutError:
            return Result(trouble="time", detail="it took too much time and did not let itself be stopped")
        finally:
            if kept:
                self._keep(worker)
            else:
                self._end(worker)
        self._lacking = False
        return result

    def _idle_one(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop().worker
            if worker.lives:
                return worker
            self._end(worker)
        return None

    async def _new_one(self) -> Worker:
        """Raises Busy."""
        beginning = self._in_background(Worker.begin(self._limits))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(self._unwanted)
            raise
        except OSError as error:
            raise self._no_room(str(error)) from error

    def _no_room(self, reason: str) -> Busy:
        """Said once: until there is room again, everybody who comes finds none."""
        if not self._lacking:
            log.error("no process for transformations can be begun: %s", reason)
        self._lacking = True
        return Busy("no process for transformations can be begun")

    def _unwanted(self, beginning: "asyncio.Task[Worker]") -> None:
        if not beginning.cancelled() and beginning.exception() is None:
            self._end(beginning.result())

    def _keep(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        self._idle.append(_Idle(worker, loop.time()))
        if self._tidying is None:
            self._tidying = loop.call_later(self._quiet, self._tidy)

    def _tidy(self) -> None:
        loop, self._tidying = asyncio.get_running_loop(), None
        while self._idle and self._idle[0].since + self._quiet <= loop.time():
            self._end(self._idle.pop(0).worker)
        if self._idle:
            self._tidying = loop.call_at(self._idle[0].since + self._quiet, self._tidy)

    def _end(self, worker: Worker) -> None:
        self._in_background(worker.end())

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _told(result: Result) -> Returned | Stopped:
    lines = tuple(result.log.splitlines())
    if result.answer is not None:
        return Returned(result.answer, lines)
    return Stopped(result.trouble, result.detail, result.line, lines)
