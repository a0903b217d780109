"""`python -m bench crowd`: what a crowd of broken endpoints, and one loud tenant, do to everybody else. Exit status 1 beyond the bounds.

The same load twice in alternating order: with a third of all endpoints broken, in all the ways that the sink knows, and with none.
Then a few tenants alone, and beside one that sends a hundred times what each of them does.
"""

import argparse
import contextlib
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from bench.figures import Figures, measure
from bench.generator import Load
from bench.report import Progress, Report, print_report
from bench.setup import place
from bench.sink import BROKEN
from bench.world import Server, SinkProcess, generate, world

MOST_P99_RATIO, LEAST_RATE_RATIO, MOST_LOUD_RATIO = 2.0, 0.9, 1.5
HEAD_START = 1.0
"""Seconds by which the loud tenant is ahead of the others."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: messages a second to all endpoints together; `tenants`, each with one endpoint, send `each` a second, and the loud one
    `times` as many.
    """

    endpoints: int = 1_000
    broken: float = 0.3
    rate: float = 1_000.0
    seconds: float = 10.0
    rounds: int = 3
    tenants: int = 10
    each: float = 5.0
    times: int = 100


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """A place at which nobody listens, and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def run_id() -> str:
    return f"{time.time_ns():x}"


# A third is broken


def crowd_run(plan: Plan, *, broken: bool) -> Figures:
    """A fresh server. The first endpoints are the broken ones; what is measured are the others, also where none is."""
    with world() as (server, sink), refusing() as nobody:
        count = round(plan.endpoints * plan.broken)
        kinds = (*(f"{sink.url}/{kind}" for kind in BROKEN), nobody) if broken else (f"{sink.url}/aside",)
        urls = [f"{kinds[number % len(kinds)] if number < count else f'{sink.url}/hook'}/{number}" for number in range(plan.endpoints)]
        places = tuple(place(server, url) for url in urls)
        load = Load(port=server.port, path="", token="", seconds=plan.seconds, rate=plan.rate, places=places, run=run_id())
        return measure(server, sink, load, silent=count)


def crowd(plan: Plan, progress: Progress) -> Report:
    rounds, middle = _compared(plan.rounds, lambda broken: crowd_run(plan, broken=broken), progress)
    good = middle["p99_ratio"] <= MOST_P99_RATIO and middle["rate_ratio"] >= LEAST_RATE_RATIO and not any(each["lost"] for each in rounds)
    return Report(
        title=f"crowd: {plan.rate:g} messages/s to {plan.endpoints} endpoints, {plan.broken:.0%} of which are broken, {plan.seconds:g} s",
        columns=(
            "round", "delivered/s to the sound, without", "beside", "ratio", "p99 ms, without", "beside", "ratio", "lost or refused",
        ),
        rows=tuple(_row(name, each) for name, each in _named(rounds, middle)),
        figures={"rounds": rounds, "median": middle}, kept=good,
        notes=(f"Bounds, of the median: {MOST_P99_RATIO:g} times the p99, {LEAST_RATE_RATIO:g} of the deliveries.",),
    )  # fmt: skip


# One is loud


def loud_run(plan: Plan, *, loud: bool) -> Figures:
    """The others are what is measured."""
    with world() as (server, sink):
        places = tuple(place(server, f"{sink.url}/hook/{number}", server.token_of(f"org_{number}")) for number in range(plan.tenants))
        rate = plan.each * plan.tenants
        quiet = Load(port=server.port, path="", token="", seconds=plan.seconds, rate=rate, places=places, run=run_id())
        if not loud:
            return measure(server, sink, quiet)
        with shouting(plan, server, sink):
            return measure(server, sink, quiet)


@contextlib.contextmanager
def shouting(plan: Plan, server: Server, sink: SinkProcess) -> Iterator[None]:
    """One tenant more, before and while and after the others send."""
    there = place(server, f"{sink.url}/aside/loud", server.token_of("org_loud"))
    load = Load(
        port=server.port, path="", token="", seconds=plan.seconds + 2 * HEAD_START, rate=plan.each * plan.times, places=(there,),
        run=f"loud-{run_id()}",
    )  # fmt: skip
    thread = threading.Thread(target=generate, args=(load,))
    thread.start()
    time.sleep(HEAD_START)
    try:
        yield
    finally:
        thread.join()


def loud(plan: Plan, progress: Progress) -> Report:
    rounds, middle = _compared(plan.rounds, lambda loud: loud_run(plan, loud=loud), progress)
    return Report(
        title=f"crowd: {plan.tenants} tenants that send {plan.each:g} messages/s each, and one that sends {plan.times} times as many",
        columns=("round", "delivered/s, alone", "beside", "ratio", "p99 ms, alone", "beside", "ratio", "lost or refused"),
        rows=tuple(_row(name, each) for name, each in _named(rounds, middle)),
        figures={"rounds": rounds, "median": middle},
        kept=middle["p99_ratio"] <= MOST_LOUD_RATIO and not any(each["lost"] for each in rounds),
        notes=(f"Bound, of the median: {MOST_LOUD_RATIO:g} times the p99.",),
    )  # fmt: skip


def _compared(count: int, run: Callable[[bool], Figures], progress: Progress) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Every round, and the medians; a round is a run with and one without what is said to do harm, in alternating order."""
    rounds: list[dict[str, float]] = []
    for number in range(count):
        got: dict[bool, Figures] = {}
        for harm in (False, True) if number % 2 == 0 else (True, False):
            found = got[harm] = run(harm)
            told = f"p99 {found.end_to_end_p99_ms:.1f} ms, {found.delivered_per_s:.0f}/s"
            progress(f"round {number + 1} of {count}, {'beside it' if harm else 'without'}: {told}")
        rounds.append(_pair(got[False], got[True]))
    return rounds, {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def _pair(without: Figures, beside: Figures) -> dict[str, float]:
    return {
        "without_per_s": without.delivered_per_s, "beside_per_s": beside.delivered_per_s,
        "rate_ratio": _ratio(beside.delivered_per_s, without.delivered_per_s),
        "without_p99_ms": without.end_to_end_p99_ms, "beside_p99_ms": beside.end_to_end_p99_ms,
        "p99_ratio": _ratio(beside.end_to_end_p99_ms, without.end_to_end_p99_ms),
        "lost": sum(each.lost + each.refused + each.broken for each in (without, beside)),
    }  # fmt: skip


def _ratio(value: float, base: float) -> float:
    return value / base if base else 0.0


def _named(rounds: Sequence[dict[str, float]], middle: dict[str, float]) -> list[tuple[str, dict[str, float]]]:
    return [*((str(number + 1), each) for number, each in enumerate(rounds)), ("median", middle)]


def _row(name: str, of: dict[str, float]) -> tuple[str, ...]:
    return (
        name, f"{of['without_per_s']:.0f}", f"{of['beside_per_s']:.0f}", f"{of['rate_ratio']:.2f}",
        f"{of['without_p99_ms']:.1f}", f"{of['beside_p99_ms']:.1f}", f"{of['p99_ratio']:.2f}", f"{of['lost']:.0f}",
    )  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    plan = Plan()
    made = argparse.ArgumentParser(prog="python -m bench crowd", description=__doc__)
    made.add_argument("--endpoints", type=int, default=plan.endpoints, help=f"in all (default {plan.endpoints})")
    made.add_argument("--rate", type=float, default=plan.rate, help=f"messages a second to all of them (default {plan.rate:g})")
    made.add_argument("--seconds", type=float, default=plan.seconds, help=f"how long each load lasts (default {plan.seconds:g})")
    made.add_argument("--rounds", type=int, default=plan.rounds, help=f"pairs of runs (default {plan.rounds})")
    made.add_argument("--tenants", type=int, default=plan.tenants, help=f"beside the loud one (default {plan.tenants})")
    made.add_argument("--each", type=float, default=plan.each, help=f"messages a second of each of these (default {plan.each:g})")
    made.add_argument("--times", type=int, default=plan.times, help=f"as many as the loud one sends (default {plan.times})")
    made.add_argument("--only", choices=("crowd", "loud"), help="one of the two")
    made.add_argument("--json", action="store_true", help="print one JSON object a table instead of tables")
    o = made.parse_args(arguments)
    plan = Plan(
        endpoints=o.endpoints, rate=o.rate, seconds=o.seconds, rounds=o.rounds, tenants=o.tenants, each=o.each, times=o.times
    )  # fmt: skip
    kept = True
    for name, measured in ("crowd", crowd), ("loud", loud):
        if o.only in (None, name):
            report = measured(plan, lambda line: print(f"  crowd: {line}", file=sys.stderr, flush=True))
            print_report(report, as_json=o.json)
            kept = kept and report.kept
    return 0 if kept else 1
