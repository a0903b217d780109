"""`python -m bench zoo`: many attempts at once, each at a receiver that means harm; what they cost whoever makes them.

Three processes: the zoo of the tests (`tests/zoo`) with every beast on a port of its own, the sender, which is measured, and this one.
The exit status is 0 if every promise was kept:

- every attempt ends within its deadline and `SLACK_SECONDS`, as its beast's cage says, or at its deadline;
- memory grows by less than `GROWTH_MIB`, at its most, over the sender with a connection to each kind behind it;
- the event loop is late by less than `LAG_MS` in 99 of 100 looks, a look each `LOOK_SECONDS`.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec
import uvloop

from bench.figures import percentile
from bench.processes import forget_peak, memory_mib
from bench.report import Progress, Report, print_report
from bench.world import ROOT
from hookwright.domain.egress import Egress, parse_openings
from hookwright.runtime.server import allow_open_files
from hookwright.sender import Request
from hookwright.senders.http import HttpSender
from tests.zoo import ZOO, Certificates, outcome, trusting

SLACK_SECONDS, GROWTH_MIB, LAG_MS = 0.5, 50.0, 50.0
LOOK_SECONDS = 0.005
WARM_SECONDS = 0.5
OPEN_FILES = 8192


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`attempts` under way at once, shared out among the beasts, `times` one after another. `deadline` in seconds, `size` in bytes."""

    attempts: int = 500
    deadline: float = 5.0
    size: int = 10_000
    times: int = 2


class Caged(msgspec.Struct, frozen=True):
    name: str
    url: str
    ends: tuple[str, ...]


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender's process is to do. `trusted`: a root, PEM."""

    plan: Plan
    caged: list[Caged]
    trusted: str


class Came(msgspec.Struct, frozen=True):
    name: str
    outcome: str
    seconds: float


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in MiB, `lag_ms` sorted."""

    came: list[Came]
    lag_ms: list[float]
    memory_before: float
    memory_peak: float


# The zoo's process


async def keep() -> None:
    """Say where the beasts are, and keep them until standard input ends."""
    certificates, ended = Certificates(), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    async with AsyncExitStack() as open_cages:
        caged = [Caged(each.name, await open_cages.enter_async_context(each.cage(certificates)), each.ends) for each in ZOO]
        sys.stdout.buffer.write(msgspec.json.encode((caged, certificates.trusted)) + b"\n")
        sys.stdout.buffer.flush()
        await ended.wait()


# The sender's process


async def visit(asked: Visit) -> Found:
    plan, lags = asked.plan, list[float]()
    sender = HttpSender(
        Egress(allowed=parse_openings(["127.0.0.0/8"])), connections=plan.attempts, tls=trusting(asked.trusted)
    )  # fmt: skip
    body = b"x" * plan.size

    async def attempt(where: Caged, deadline: float) -> Came:
        began = time.monotonic()
        result = await sender.send(Request(where.url, (("Content-Type", "application/octet-stream"),), body, deadline))
        return Came(where.name, outcome(result), time.monotonic() - began)

    await asyncio.gather(*(attempt(each, WARM_SECONDS) for each in asked.caged))
    forget_peak()
    before = memory_mib(os.getpid(), "VmRSS")
    looking = asyncio.ensure_future(look(lags))
    came: list[Came] = []
    for _ in range(plan.times):
        every = (asked.caged[number % len(asked.caged)] for number in range(plan.attempts))
        came += await asyncio.gather(*(attempt(each, plan.deadline) for each in every))
    looking.cancel()
    peak = memory_mib(os.getpid(), "VmHWM")
    await sender.close()
    return Found(came=came, lag_ms=sorted(lags), memory_before=before, memory_peak=peak)


async def look(lags: list[float]) -> None:
    """Note by how many milliseconds the loop is late, each time."""
    while True:
        due = time.monotonic() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        lags.append(max(0.0, time.monotonic() - due) * 1000)


# This process


def zoo(plan: Plan, progress: Progress) -> Report:
    command = [sys.executable, "-m", "bench.zoo"]
    with subprocess.Popen([*command, "--keeper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as keeper:
        try:
            assert keeper.stdout is not None
            caged, trusted = msgspec.json.decode(keeper.stdout.readline(), type=tuple[list[Caged], str])
            progress(f"{len(caged)} beasts are in their cages")
            asked = msgspec.json.encode(Visit(plan=plan, caged=caged, trusted=trusted))
            done = subprocess.run([*command, "--sender"], input=asked, stdout=subprocess.PIPE, check=True, cwd=ROOT)
        finally:
            keeper.terminate()
    return report(plan, caged, msgspec.json.decode(done.stdout, type=Found))


def report(plan: Plan, caged: list[Caged], found: Found) -> Report:
    ends = {each.name: {*each.ends, "timeout"} for each in caged}
    surprises = sorted({f"{came.name}: {came.outcome}" for came in found.came if came.outcome not in ends[came.name]})
    longest = max(came.seconds for came in found.came) - plan.deadline
    growth, lag = found.memory_peak - found.memory_before, percentile(found.lag_ms, 0.99)
    rows = (
        ("longest attempt beyond its deadline", f"{longest:+.3f} s", f"{SLACK_SECONDS:g} s"),
        ("memory growth", f"{growth:.1f} MiB (of {found.memory_before:.0f})", f"{GROWTH_MIB:g} MiB"),
        ("lag of the event loop, p99", f"{lag:.1f} ms", f"{LAG_MS:g} ms"),
        ("lag of the event loop, most", f"{found.lag_ms[-1]:.1f} ms", ""),
        ("attempts", str(len(found.came)), ""),
        ("that came to what no cage says", str(len(surprises)), "0"),
    )
    return Report(
        title=f"zoo: {plan.attempts} attempts at once at {len(caged)} kinds of beasts, {plan.times} times, deadline {plan.deadline:g} s",
        columns=("what", "found", "bound"), rows=rows, notes=tuple(surprises),
        figures={
            "late_s": longest, "growth_mib": growth, "lag_p99_ms": lag, "lag_most_ms": found.lag_ms[-1], "attempts": len(found.came),
            "surprises": surprises,
        },
        kept=longest <= SLACK_SECONDS and growth < GROWTH_MIB and lag < LAG_MS and not surprises,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    defaults = Plan()
    made = argparse.ArgumentParser(prog="python -m bench zoo", description="Attempts at receivers that mean harm, many at once.")
    made.add_argument("--attempts", type=int, default=defaults.attempts, help=f"under way at once (default {defaults.attempts})")
    made.add_argument("--deadline", type=float, default=defaults.deadline, help=f"seconds of an attempt (default {defaults.deadline:g})")
    made.add_argument("--size", type=int, default=defaults.size, help=f"bytes of a request's body (default {defaults.size})")
    made.add_argument("--times", type=int, default=defaults.times, help=f"one after another (default {defaults.times})")
    made.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    made.add_argument("--keeper", action="store_true", help=argparse.SUPPRESS)
    made.add_argument("--sender", action="store_true", help=argparse.SUPPRESS)
    o = made.parse_args(arguments)
    if o.keeper or o.sender:
        allow_open_files(OPEN_FILES)
    if o.keeper:
        uvloop.run(keep())
        return 0
    if o.sender:
        asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Visit)
        sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(visit(asked))))
        return 0
    plan = Plan(attempts=o.attempts, deadline=o.deadline, size=o.size, times=o.times)
    found = zoo(plan, lambda line: print(f"  zoo: {line}", file=sys.stderr, flush=True))
    print_report(found, as_json=o.json)
    return 0 if found.kept else 1


if __name__ == "__main__":
    sys.exit(main())
