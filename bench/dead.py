"""`python -m bench dead`: an endpoint that was dead comes back to everything that waited for it. Exit status 1 beyond the bounds.

While it is dead and while it comes back, another endpoint gets messages at a fixed rate, as it did before. Looked at are every
second of the recovery, as the receiver saw it, and how late the other's messages are.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import apsw
import msgspec

from bench.figures import Figures, measure
from bench.generator import Load
from bench.report import Progress, Report, print_report
from bench.setup import place
from bench.world import Server, SinkProcess, generate, world

MOST_OVER = 1.1
MOST_RATIO, MOST_MORE_MS = 1.5, 10.0
"""What the backlog may do to the p99 of another endpoint: this factor, or so much more."""
RAMP_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
FILL_SECONDS = 3600.0
LOOK_SECONDS = 10.0
PAUSE_SECONDS = 1.0
"""How long the breaker is open the first time: it has been open often by the time when all are waiting."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`cap`: messages a second to who recovers; `rate`: to the other endpoint; `seconds`: how long each load lasts. `whole`: the
    recovery is watched until nothing waits any more, not only while the other endpoint gets its last load.
    """

    waiting: int = 100_000
    cap: int = 50
    rate: float = 200.0
    seconds: float = 30.0
    whole: bool = False


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """`until_first`: seconds from when the receiver was alive to the first message; `after_ramp`: the median of its seconds then."""

    waiting: int
    until_first: float
    arrived: int
    most_in_a_second: int
    after_ramp: float
    tripped_again: bool


def dead(plan: Plan, progress: Progress) -> Report:
    settings = {"HOOKWRIGHT_RECOVERY_RATE": str(plan.cap), "HOOKWRIGHT_BREAKER_PAUSE": str(PAUSE_SECONDS)}
    with ExitStack() as ends:
        grave = SinkProcess()  # of its own: what is measured at the other endpoint is forgotten before each load
        ends.callback(grave.end)
        server, sink = ends.enter_context(world(**settings))
        other, gone = place(server, f"{sink.url}/hook/0"), place(server, f"{grave.url}/dead/0")

        def beside(when: str) -> Figures:
            load = Load(
                port=server.port, path=other.path, token=other.token, seconds=plan.seconds, rate=plan.rate, run=f"{time.time_ns():x}"
            )  # fmt: skip
            found = measure(server, sink, load)
            progress(f"{when}: p99 of the other endpoint {found.end_to_end_p99_ms:.1f} ms")
            return found

        runs = {"before": beside("before")}
        filled = generate(
            Load(port=server.port, path=gone.path, token=gone.token, seconds=FILL_SECONDS, count=plan.waiting, run=f"{time.time_ns():x}")
        )
        progress(f"{len(filled.accepted):,} messages are waiting")
        runs["while it is dead"] = beside("while it is dead")
        grave.forget()
        grave.revive()
        began = time.monotonic()
        closed = _wait_until_closed(server, began)
        runs["while it recovers"] = beside("while it recovers")
        if plan.whole:
            _wait_until_empty(grave, len(filled.accepted), 2 * plan.waiting / plan.cap, progress)
        times = sorted(at for _, at in grave.arrivals().get("/dead/0", []))
        until_first = times[0] - began if times else 0.0
        trips, phase = _breaker(server)
        recovery = Recovery(
            waiting=len(filled.accepted), until_first=until_first, arrived=len(times), most_in_a_second=most_in_a_second(times),
            after_ramp=_usual(times), tripped_again=phase == 1 or trips > closed,
        )  # fmt: skip
    return report(plan, runs, recovery)


def _wait_until_closed(server: Server, began: float) -> int:
    """How often the breaker had opened. Raises RuntimeError."""
    while time.monotonic() - began < PATIENCE_SECONDS:
        trips, phase = _breaker(server)
        if phase == 0:
            return trips
        time.sleep(0.05)
    raise RuntimeError(f"the endpoint is not tried again within {PATIENCE_SECONDS:g} s")


def _wait_until_empty(sink: SinkProcess, waiting: int, seconds: float, progress: Progress) -> None:
    """Not longer than so many `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (arrived := len(sink.arrivals().get("/dead/0", []))) < waiting:
        progress(f"{arrived:,} of {waiting:,} arrived")
        time.sleep(LOOK_SECONDS)


def _breaker(server: Server) -> tuple[int, int]:
    """Openings since it was well, and the phase; of an endpoint that is well, 0 and closed."""
    connection = apsw.Connection(str(server.database), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5000)
    rows = connection.execute("select trips, phase from endpoint_health").fetchall()
    connection.close()
    return (int(str(rows[0][0])), int(str(rows[0][1]))) if rows else (0, 0)


def most_in_a_second(times: Sequence[float]) -> int:
    """Of sorted monotonic seconds, the most in any second, wherever it begins."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def _usual(times: Sequence[float]) -> float:
    """The median of the whole seconds after the slow start; 0 when there are none."""
    if not times:
        return 0.0
    start, end = times[0] + RAMP_SECONDS, times[-1]
    counts = [sum(start + n <= at < start + n + 1 for at in times) for n in range(int(end - start))]
    return statistics.median(counts) if counts else 0.0


def report(plan: Plan, runs: dict[str, Figures], recovery: Recovery) -> Report:
    before = runs["before"]
    left = recovery.waiting - recovery.arrived if plan.whole else 0
    quiet = all(
        each.end_to_end_p99_ms <= max(MOST_RATIO * before.end_to_end_p99_ms, before.end_to_end_p99_ms + MOST_MORE_MS)
        and not each.lost + each.refused + each.broken
        for each in runs.values()
    )
    capped = recovery.arrived > 0 and recovery.most_in_a_second <= MOST_OVER * plan.cap and not recovery.tripped_again and not left
    return Report(
        title=f"dead: {recovery.waiting:,} messages waited for an endpoint that comes back at {plan.cap}/s; {plan.rate:g}/s to another",
        columns=("the other endpoint", "delivered", "p50 ms", "p99 ms", "lost or refused"),
        rows=tuple(
            (
                name, str(each.accepted - each.lost), f"{each.end_to_end_p50_ms:.1f}", f"{each.end_to_end_p99_ms:.1f}",
                str(each.lost + each.refused + each.broken),
            )
            for name, each in runs.items()
        ),
        figures={"runs": {name: msgspec.to_builtins(each) for name, each in runs.items()}, "recovery": msgspec.to_builtins(recovery)},
        kept=quiet and capped,
        notes=(
            f"The one that came back: asked after {recovery.until_first:.1f} s; {recovery.arrived:,} arrived while it was watched, in no "
            f"second more than {recovery.most_in_a_second}, after the slow start usually {recovery.after_ramp:g}; its breaker opened "
            f"again: {'YES' if recovery.tripped_again else 'no'}.",
            f"Bounds: {MOST_OVER:g} times the cap in any second, no second opening; p99 of the other at most {MOST_RATIO:g} times, or "
            f"{MOST_MORE_MS:g} ms more than, before.",
        ),
    )  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    plan = Plan()
    made = argparse.ArgumentParser(prog="python -m bench dead", description=__doc__)
    made.add_argument("--waiting", type=int, default=plan.waiting, help=f"messages for the dead endpoint (default {plan.waiting})")
    made.add_argument("--cap", type=int, default=plan.cap, help=f"HOOKWRIGHT_RECOVERY_RATE (default {plan.cap})")
    made.add_argument("--rate", type=float, default=plan.rate, help=f"messages a second to the other endpoint (default {plan.rate:g})")
    made.add_argument("--seconds", type=float, default=plan.seconds, help=f"how long each load lasts (default {plan.seconds:g})")
    made.add_argument("--whole", action="store_true", help="watch until all have arrived (at 50 a second, half an hour for 100,000)")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    o = made.parse_args(arguments)
    plan = Plan(waiting=o.waiting, cap=o.cap, rate=o.rate, seconds=o.seconds, whole=o.whole)
    found = dead(plan, lambda line: print(f"  dead: {line}", file=sys.stderr, flush=True))
    print_report(found, as_json=o.json)
    return 0 if found.kept else 1
