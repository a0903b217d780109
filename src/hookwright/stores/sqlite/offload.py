"""Blocking calls beside the event loop, without starving.

A thread that waits for the interpreter lock while the loop is busy can wait for seconds: the loop lets go of the lock
for a few microseconds at each poll and takes it back before the other thread has woken, so the thread's request to
switch never falls due (measured here with uvloop under full load: one commit a second). So while a call is under way
the loop steps aside now and then, blocking for at most `STEP_ASIDE` seconds on the call's end. A fast fsync ends
within that and is answered at once; a slow one costs the loop a small share of its time (`bench/offload.py`).

Handing a call over and waking for its end costs more than a small commit on a fast disk takes (0.3 ms). So a brief call
is carried out in the loop, as long as such calls are in fact brief.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

R = TypeVar("R")
STEP_ASIDE = 0.0005
STEP_EVERY = 0.002
SLOW_SECONDS = 0.002
WARY = 100
"""After one brief call that was slow, so many go to the thread before the loop carries one out again."""


class Offload(Protocol):
    def run(self, call: Callable[[], R], *, brief: bool = False) -> "asyncio.Future[R]":
        """Carry out `call`; calls are carried out one after another, in order.

        `brief`: it most likely takes less than handing it over would; then it may be carried out in the loop.
        """

    def close(self) -> None:
        """Carry out what was handed over, then end."""


class ThreadOffload:
    """One thread; used from one event loop."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._under_way = 0
        self._ended = threading.Event()
        self._stepping = False
        self._wary = 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, call: Callable[[], R], *, brief: bool = False) -> "asyncio.Future[R]":
        if brief and not self._under_way:
            if not self._wary:
                return self._here(call)
            self._wary -= 1
        future: asyncio.Future[R] = self._loop.create_future()
        self._under_way += 1
        self._ended.clear()
        self._calls.put((call, future))
        if not self._stepping:
            self._stepping = True
            self._loop.call_soon(self._step_aside)
        return future

    def close(self) -> None:
        self._calls.put(None)
        self._thread.join()

    def _here(self, call: Callable[[], R]) -> "asyncio.Future[R]":
        began = time.perf_counter()
        future = InlineOffload().run(call)
        if time.perf_counter() - began > SLOW_SECONDS:
            self._wary = WARY
        return future

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, future = item
            result, error = None, None
            try:
                result = call()
            except BaseException as raised:  # handed to whoever waits
                error = raised
            self._ended.set()
            self._loop.call_soon_threadsafe(self._finish, future, result, error)

    def _finish(self, future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
        self._under_way -= 1
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def _step_aside(self) -> None:
        if not self._under_way:
            self._stepping = False
        elif self._ended.wait(STEP_ASIDE):
            self._ended.clear()
            self._loop.call_soon(self._step_aside)
        else:
            self._loop.call_later(STEP_EVERY, self._step_aside)


class InlineOffload:
    """Carries out each call at once, in the loop: for simulations, where nothing may depend on threads."""

    def run(self, call: Callable[[], R], *, brief: bool = False) -> "asyncio.Future[R]":
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        pass
