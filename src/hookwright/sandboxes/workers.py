"""One worker process, as this process has it: begun, asked, ended. What it is like inside: `worker`."""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import msgspec

from hookwright.sandbox import Trouble

PROGRAM = Path(__file__).with_name("worker.py")
ENVELOPE = 524_288
"""Bytes of a result beside its answer."""
COMING_UP_SECONDS = 30.0
"""What a machine may take, however busy, to begin a process that loads nothing but the engine."""
GOING_SECONDS = 2.0
"""How long a worker may take to end, with the script that it runs, once its socket is closed; then both are killed."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one script. `seconds`: of the processor. `memory`, `output`: bytes. `patience`: seconds by the clock, after which it is killed
    however little of the processor it had.
    """

    seconds: float = 1.0
    memory: int = 64 * 1024 * 1024
    output: int = 1024 * 1024

    @property
    def patience(self) -> float:
        return 10 * self.seconds + 5


class Result(msgspec.Struct, frozen=True):
    """What a worker tells: an answer, or trouble."""

    answer: str | None = None
    trouble: Trouble = "crash"
    detail: str = ""
    line: int | None = None
    log: str = ""


_result = msgspec.json.Decoder(Result)
_encode = msgspec.json.Encoder().encode


class WorkerGone(Exception):
    """It ended, or said what no worker says; it is of no more use."""


class NoRoom(Exception):
    """It could begin no process for the script."""


class Worker:
    def __init__(self, process: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> None:
        self._process, self._reader, self._writer, self._most = process, reader, writer, most

    @classmethod
    async def begin(cls, limits: Limits) -> "Worker":
        """One that is ready. Raises OSError where there can be none; not to be cancelled: the process would be nobody's."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.to_thread(_start, theirs, limits)
            ours.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except OSError:
            ours.close()
            raise
        worker = cls(process, reader, writer, 2 * limits.output + ENVELOPE)
        try:
            async with asyncio.timeout(COMING_UP_SECONDS):
                await worker._frame()
        except (WorkerGone, TimeoutError) as error:
            await worker.end()
            raise OSError("it does not come up; is quickjs-ng installed?") from error
        return worker

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    async def ask(self, request: msgspec.Struct) -> Result:
        """Raises WorkerGone, NoRoom."""
        frame = _encode(request)
        try:
            self._writer.write(struct.pack(">I", len(frame)) + frame)
            await self._writer.drain()
            answer = await self._frame()
            if not answer:
                raise NoRoom
            return _result.decode(answer)
        except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
            raise WorkerGone(str(error)) from error

    async def end(self) -> None:
        """It, and the script that it runs; return when the system has forgotten it."""
        self._writer.transport.abort()
        try:
            await asyncio.to_thread(self._process.wait, GOING_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group in which all have ended
                os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)

    async def _frame(self) -> bytes:
        """Raises WorkerGone."""
        try:
            (length,) = struct.unpack(">I", await self._reader.readexactly(4))
            if length > self._most:
                raise WorkerGone("it says too much")
            return await self._reader.readexactly(length)
        except (OSError, EOFError) as error:
            raise WorkerGone(str(error)) from error


def _start(theirs: socket.socket, limits: Limits) -> "subprocess.Popen[bytes]":
    """With nothing of ours: no environment (there are our secrets), no files but the socket, no directory, no terminal."""
    settings = msgspec.structs.asdict(limits) | {"patience": limits.patience - 2}
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-I", str(PROGRAM), _encode(settings).decode()],
        stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL, env=dict[str, str](), cwd="/", start_new_session=True,
    )  # fmt: skip
