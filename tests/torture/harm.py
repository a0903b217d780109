"""What is done to the server. Each kind of harm is done under load, from a printed seed, and judged by `World.checks`."""

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.torture.sites import FileSite
from tests.torture.verdict import Check, Plan, Progress, Verdict, moments
from tests.torture.world import World, note_death

RESTART_SECONDS = 2.0
OPEN_AT_MOST = 512 + 4 * 512
"""Attempts under way, and finished ones waiting to be written: the dispatcher begins nothing beyond these."""
TMPFS = "128m"


def kill(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """kill -9. One time in six the server is killed again while it starts."""
    chance = random.Random(plan.seed)
    rows, restarts, exposures = [], [], []
    with World(FileSite(folder), plan) as world:
        for number, moment in enumerate(moments(plan, chance), start=1):
            world.wait_acknowledged(moment)
            time.sleep(chance.random() * 0.05)
            under_way, acknowledged = len(world.receiver.open), world.acknowledged()
            world.server.kill()
            exposures.append(note_death(world))
            young = chance.random() < 1 / 6
            if young:
                world.server.spawn()
                time.sleep(chance.random() * 1.5)
                world.server.kill()
                exposures[-1] += note_death(world)
            world.receiver.first_at, began = None, time.monotonic()
            listening = world.server.start()
            first = world.first_arrival(began)
            restarts.append(first)
            shown = "-" if first is None else f"{first:.2f}"
            used = f"{world.cpu_seconds():.2f}"
            rows.append(
                (
                    str(number),
                    str(acknowledged),
                    str(under_way),
                    str(exposures[-1]),
                    f"{listening:.2f}",
                    shown,
                    used,
                    "yes" if young else "",
                )
            )
            progress(f"kill {number} of {plan.times} at {acknowledged} acknowledged; first delivery again after {shown} s")
        checks = world.finish()
    slowest = max((first for first in restarts if first is not None), default=0.0)
    fast = not plan.timed or slowest <= RESTART_SECONDS
    checks += [
        Check("unsettled at one death, at most", f"{max(exposures)} (bound {OPEN_AT_MOST})", max(exposures) <= OPEN_AT_MOST),
        Check("restart to first delivery, slowest", f"{slowest:.2f} s" + (f" (bound {RESTART_SECONDS:g} s)" if plan.timed else ""), fast),
    ]
    columns = (
        "kill",
        "acknowledged",
        "open at the receiver",
        "answered, not settled",
        "listening after s",
        "first delivery after s",
        "CPU s by then",
        "killed while starting",
    )
    return Verdict(f"kill -9, {plan.times} times, {plan.messages} messages", columns, tuple(rows), tuple(checks))


def terminate(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """SIGTERM, as at every upgrade: what is under way is finished or given back, and nothing is sent again."""
    chance = random.Random(plan.seed)
    rows, statuses, left = [], [], []
    with World(FileSite(folder), plan) as world:
        for number, moment in enumerate(moments(plan, chance), start=1):
            world.wait_acknowledged(moment)
            under_way, began = len(world.receiver.open), time.monotonic()
            statuses.append(world.server.stop())
            took = time.monotonic() - began
            left.append(note_death(world))
            world.server.start()
            rows.append((str(number), str(under_way), str(statuses[-1]), f"{took:.2f}", str(left[-1])))
            progress(f"SIGTERM {number} of {plan.times}: status {statuses[-1]} after {took:.2f} s")
        checks = world.finish()
    checks += [
        Check("exit statuses", str(statuses), not any(statuses)),
        Check("answered and not settled at a stop", str(sum(left)), sum(left) == 0),
    ]
    columns = ("stop", "open at the receiver", "status", "seconds", "answered, not settled")
    return Verdict(f"SIGTERM, {plan.times} times, {plan.messages} messages", columns, tuple(rows), tuple(checks))


def pause(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """SIGSTOP and SIGCONT: a machine that is suspended, a process that gets no time."""
    chance = random.Random(plan.seed)
    rows = []
    with World(FileSite(folder), plan) as world:
        for number, moment in enumerate(moments(plan, chance), start=1):
            world.wait_acknowledged(moment)
            process, seconds = world.server.process, 0.5 + 2 * chance.random()
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)
            rows.append((str(number), f"{seconds:.2f}"))
            progress(f"pause {number} of {plan.times}, {seconds:.2f} s")
        checks = world.finish()
    return Verdict(f"SIGSTOP, {plan.times} times, {plan.messages} messages", ("pause", "seconds"), tuple(rows), tuple(checks))


def fill_disk(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """A full disk, under the database and the server's log alike, until nothing is acknowledged any more; then there is
    space again. `folder` is a file system of its own.
    """
    chance = random.Random(plan.seed)
    rows = []
    with World(FileSite(folder), plan) as world:
        for number, moment in enumerate(moments(plan, chance, until=0.6), start=1):
            world.wait_acknowledged(moment)
            ballast = folder / "ballast"
            _fill(ballast)
            stalled = _stalled(world, ballast)
            assert world.server.process is not None
            alive = world.server.process.poll() is None
            ballast.unlink()
            began, before = time.monotonic(), world.acknowledged()
            world.wait_acknowledged(min(plan.messages, before + 1))
            again = time.monotonic() - began
            rows.append((str(number), str(before), "yes" if stalled else "no", "yes" if alive else "NO", f"{again:.2f}"))
            progress(f"full disk {number} of {plan.times}: acknowledging again {again:.2f} s after there was space")
        checks = world.finish()
        summary = world.summary
    checks += [
        Check("answers 503", str(summary.unavailable), summary.unavailable > 0),
        Check("of these without Retry-After", str(summary.without_hint), summary.without_hint == 0),
    ]
    columns = ("time", "acknowledged", "came to a standstill", "process alive", "acknowledging again after s")
    return Verdict(f"full disk, {plan.times} times, {plan.messages} messages", columns, tuple(rows), tuple(checks))


def _fill(ballast: Path) -> None:
    """Write until there is no space, to the last byte."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def _stalled(world: World[FileSite], ballast: Path) -> bool:
    """Wait until nothing has been acknowledged for 1.5 s, topping up what the server may have freed; at most 20 s."""
    seen, since, end = world.acknowledged(), time.monotonic(), time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.05)
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass
        if (now := world.acknowledged()) != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > 1.5:
            return True
    return False


@contextlib.contextmanager
def small_disk() -> Iterator[Path | None]:
    """A file system of its own in memory; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        mounted = (
            os.geteuid() == 0
            and not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "tmpfs", folder], capture_output=True).returncode
        )
        try:
            yield Path(folder) if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=True)
