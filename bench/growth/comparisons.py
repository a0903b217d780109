"""The same operations on a small database and on a large one, in turn, each by a server that was just started over it."""

import statistics
import time
from collections import defaultdict

import msgspec

from bench.figures import measure
from bench.generator import Load
from bench.growth.operations import Operation
from bench.growth.servers import APPLICATION, latencies, serving
from bench.report import Progress, Report

MOST_RATIO, MOST_MORE_MS = 2.0, 1.0
"""A line holds when the large database takes at most so many times as long, or so little more that no clock here tells."""
WARM_SECONDS = 2.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: messages a second, for `seconds`."""

    rounds: int
    rate: float
    seconds: float


class Side(msgspec.Struct, frozen=True):
    """One of the two databases, and what is asked of it: the same names on both sides."""

    name: str
    database: str
    operations: list[Operation]


def compare(small: Side, large: Side, plan: Comparison, progress: Progress) -> Report:
    found: dict[str, dict[str, list[float]]] = {small.name: defaultdict(list), large.name: defaultdict(list)}
    lost = 0
    for number in range(plan.rounds):
        for side in (small, large) if number % 2 == 0 else (large, small):
            with serving(side.database) as (server, sink, _, _):
                for seconds in (WARM_SECONDS, plan.seconds):
                    run = f"{time.time_ns():x}"
                    sink.forget()
                    load = Load(port=server.port, path=f"{APPLICATION}/msg", token=server.token, seconds=seconds, rate=plan.rate, run=run)
                    figures = measure(server, sink, load)
                lost += figures.lost + figures.refused + figures.broken
                found[side.name]["accept, p99"].append(figures.accept_p99_ms)
                found[side.name]["delivery, p99 end to end"].append(figures.end_to_end_p99_ms)
                asked = [one for one in side.operations if one.path is not None]
                for one, took in zip(asked, latencies(server, [one.path or "" for one in asked]), strict=True):
                    found[side.name][one.name].append(took)
            progress(f"round {number + 1} of {plan.rounds}, {side.name}: accept p99 {figures.accept_p99_ms:.1f} ms")
    rows, ratios = [], {}
    for name, times in found[small.name].items():
        before, after = statistics.median(times), statistics.median(found[large.name][name])
        ratios[name] = after / before
        rows.append((name, f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}", "yes" if holds(before, after) else "NO"))
    return Report(
        title=f"growth: {small.name} and {large.name} messages, {plan.rounds} rounds of {plan.rate:g} messages/s for {plan.seconds:g} s",
        columns=("operation", f"{small.name}, ms", f"{large.name}, ms", "ratio", f"within {MOST_RATIO:g}x"), rows=tuple(rows),
        figures={"ratios": ratios, "lost": lost}, kept=not lost and all(row[-1] == "yes" for row in rows),
        notes=(f"Medians over the rounds; lists: medians of single requests. Or at most {MOST_MORE_MS:g} ms more.",),
    )  # fmt: skip


def holds(before: float, after: float) -> bool:
    return after <= MOST_RATIO * before or after - before <= MOST_MORE_MS
