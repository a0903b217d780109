"""Who watches over processes goes on when one cannot be made."""

import asyncio
import errno
import os
import subprocess
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from hookwright.cli.workers import _command
from hookwright.runtime import supervisor
from hookwright.runtime.supervisor import Supervisor

READY_AND_GONE = "print('ready', flush=True)"
READY = "import sys; print('ready', flush=True); sys.stdin.read()"
create = asyncio.create_subprocess_exec


class Machine:
    """The first process dies as soon as it is ready; there is no room for the next ones; then there is."""

    def __init__(self, no_room_for: range) -> None:
        self.asked, self.no_room_for = 0, no_room_for
        self.lives = asyncio.Event()

    async def begin(self, *command: str, **options: Any) -> Process:
        self.asked += 1
        if self.asked in self.no_room_for:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        process = await create(*command, **options)
        if self.asked > self.no_room_for.stop - 1:
            self.lives.set()
        return process

    def command(self, number: int) -> list[str]:
        return [sys.executable, "-c", READY_AND_GONE if self.asked == 0 else READY]


def supervise(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often it was ready."""
    monkeypatch.setattr(asyncio, "create_subprocess_exec", machine.begin)
    monkeypatch.setattr(supervisor, "SHORTEST_PAUSE", 0.0)
    ready: list[None] = []

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Supervisor(machine.command, os.environ, patience=60).run(1, stop, lambda: ready.append(None)))
        living = asyncio.create_task(machine.lives.wait())
        await asyncio.wait({running, living}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        living.cancel()
        stop.set()
        await running

    asyncio.run(run())
    return len(ready)


def test_a_process_that_cannot_be_made_anew_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(range(2, 5))
    assert supervise(machine, monkeypatch) == 1
    assert machine.asked == 5


def test_a_process_that_cannot_be_made_at_the_start_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(range(1, 5))
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        supervise(machine, monkeypatch)
    assert machine.asked == 1


def test_a_process_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    for name in ("token", "asyncio", "hookwright"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    command = _command(1)
    command[command.index("serve") :] = ["--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
