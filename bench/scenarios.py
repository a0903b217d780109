"""What is measured. Each scenario takes its parameters and returns a `Report`; nothing here prints."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from bench import offload
from bench.figures import Figures, measure
from bench.generator import Load
from bench.report import Progress, Report
from bench.setup import prepare
from bench.world import ROOT, world

HANG_RATIO, HANG_MS = 1.5, 10.0
"""What one hanging endpoint may do to the p99 of the others: at most this factor, or this difference."""


COLUMNS = ("accepted/s", "delivered/s", "e2e p50 ms", "p95 ms", "p99 ms", "CPU us/delivery", "peak MiB", "lost", "twice")


def cells(f: Figures) -> tuple[str, ...]:
    return (
        f"{f.accepted_per_s:.0f}", f"{f.delivered_per_s:.0f}", f"{f.end_to_end_p50_ms:.1f}", f"{f.end_to_end_p95_ms:.1f}",
        f"{f.end_to_end_p99_ms:.1f}", f"{f.cpu_us_per_delivery:.0f}", f"{f.peak_memory_mib:.0f}", str(f.lost), str(f.duplicates),
    )  # fmt: skip


def one_run(*, seconds: float, rate: float | None, connections: int = 64, size: int = 500, endpoints: int = 0, hanging: int = 0) -> Figures:
    """A fresh server, one load."""
    with world() as (server, sink):
        path = prepare(server, sink, endpoints=endpoints, hanging=hanging)
        load = Load(
            port=server.port, path=path, token=server.token, seconds=seconds, connections=connections, rate=rate,
            channels=endpoints, size=size, run=f"{time.time_ns():x}",
        )  # fmt: skip
        return measure(server, sink, load, silent=hanging)


def rounds(title: str, count: int, progress: Progress, run: Callable[[], Figures]) -> Report:
    """The same run several times; the table ends with the median."""
    runs = []
    for number in range(count):
        runs.append(run())
        progress(f"run {number + 1} of {count}: {runs[-1].accepted_per_s:.0f} accepted/s, {runs[-1].delivered_per_s:.0f} delivered/s")
    middle = msgspec.convert(
        {name: statistics.median(getattr(each, name) for each in runs) for name in Figures.__struct_fields__}, Figures, strict=False
    )
    rows = [(str(number + 1), *cells(each)) for number, each in enumerate(runs)] + [("median", *cells(middle))]
    clean = all(each.lost == each.duplicates == each.refused == each.broken == 0 for each in runs)
    found = {"runs": [msgspec.to_builtins(each) for each in runs], "median": msgspec.to_builtins(middle)}
    return Report(title=title, columns=("run", *COLUMNS), rows=tuple(rows), figures=found, kept=clean)


def throughput(seconds: float, count: int, connections: int, size: int, progress: Progress) -> Report:
    """Closed loop: how many it takes when always asked for more."""
    title = f"throughput: {connections} connections, {size} bytes, {seconds:g} s, one endpoint"
    return rounds(title, count, progress, lambda: one_run(seconds=seconds, rate=None, connections=connections, size=size))


def latency(seconds: float, count: int, rate: float, size: int, progress: Progress) -> Report:
    """Open loop: how late an event is at a rate that the server can hold."""
    title = f"latency: {rate:g} messages/s, {size} bytes, {seconds:g} s, one endpoint"
    return rounds(title, count, progress, lambda: one_run(seconds=seconds, rate=rate, size=size))


def isolation(seconds: float, pairs: int, rate: float, endpoints: int, progress: Progress) -> Report:
    """The same load with and without one endpoint that hangs; the order within a pair alternates.

    Every pair is shown. The median pair decides, because a single p99 of some seconds is at the mercy of the machine.
    """
    found: list[dict[str, float]] = []
    for pair in range(pairs):
        got = {}
        for hanging in (0, 1) if pair % 2 == 0 else (1, 0):
            got[hanging] = one_run(seconds=seconds, rate=rate, endpoints=endpoints, hanging=hanging)
            progress(f"pair {pair + 1} of {pairs}, {hanging} hanging: p99 {got[hanging].end_to_end_p99_ms:.1f} ms")
        without, with_one = got[0].end_to_end_p99_ms, got[1].end_to_end_p99_ms
        found.append(
            {
                "without_p99_ms": without,
                "beside_p99_ms": with_one,
                "ratio": with_one / without if without else 0.0,
                "difference_ms": with_one - without,
                "lost": got[0].lost + got[1].lost,
            }
        )
    middle = {name: statistics.median(pair[name] for pair in found) for name in found[0]}
    rows = [(str(number + 1), *_pair_cells(pair)) for number, pair in enumerate(found)] + [("median", *_pair_cells(middle))]
    return Report(
        title=f"isolation: {rate:g} messages/s to {endpoints} endpoints, {seconds:g} s, without and with one that hangs",
        columns=("pair", "p99 ms without", "p99 ms of the others beside it", "ratio", "difference ms", "lost", "within bounds"),
        rows=tuple(rows), figures={"pairs": found, "median": middle},
        kept=_isolated(middle) and not any(pair["lost"] for pair in found),
        notes=(f"Bounds: a ratio of at most {HANG_RATIO:g}, or at most {HANG_MS:g} ms more.",),
    )  # fmt: skip


def _isolated(pair: dict[str, float]) -> bool:
    return pair["ratio"] <= HANG_RATIO or pair["difference_ms"] <= HANG_MS


def _pair_cells(pair: dict[str, float]) -> tuple[str, ...]:
    return (
        f"{pair['without_p99_ms']:.1f}", f"{pair['beside_p99_ms']:.1f}", f"{pair['ratio']:.2f}", f"{pair['difference_ms']:+.1f}",
        f"{pair['lost']:.0f}", "yes" if _isolated(pair) else "NO",
    )  # fmt: skip


def idle(seconds: float, count: int, progress: Progress) -> Report:
    """What the server costs while nothing happens, and how long it takes to be there."""
    rows, found = [], []
    for number in range(count):
        began = time.monotonic()
        with world() as (server, _):
            started = time.monotonic() - began
            cpu = server.cpu_seconds()
            time.sleep(seconds)
            spent = (server.cpu_seconds() - cpu) / seconds * 100
            memory = server.memory_mib("VmRSS")
        imported = import_seconds()
        progress(f"run {number + 1} of {count}")
        rows.append((str(number + 1), f"{imported:.2f}", f"{started:.2f}", f"{memory:.0f}", f"{spent:.2f}"))
        found.append({"import_seconds": imported, "start_seconds": started, "resident_mib": memory, "cpu_percent": spent})
    return Report(
        title=f"idle: for {seconds:g} s",
        columns=("run", "import s", "start until it listens s (with a sink)", "resident MiB", "CPU % of one core"),
        rows=tuple(rows), figures={"runs": found},
    )  # fmt: skip


def import_seconds() -> float:
    """How long a fresh interpreter takes to import all that `hookwright serve` needs."""
    code = "import time; began = time.perf_counter(); import hookwright.runtime.faces, hookwright.cli; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT).stdout)


def beside(seconds: float, progress: Progress) -> Report:
    """Where a group's statements and its commit run: see docs/design/group-commit.md."""
    rows, found = [], []
    for way in offload.WAYS:
        rates = {busy: offload.run(way, busy=busy, seconds=seconds) for busy in (False, True)}
        progress(f"{way.statements}, {way.commit}: {rates[False]:.0f} and {rates[True]:.0f} rows/s")
        rows.append((way.statements, way.commit, f"{rates[False]:,.0f}", f"{rates[True]:,.0f}"))
        found.append(
            {"statements": way.statements, "commit": way.commit, "idle_rows_per_s": rates[False], "saturated_rows_per_s": rates[True]}
        )
    return Report(
        title=f"offload: {offload.ROWS} rows of {offload.STATEMENTS} statements a group, {seconds:g} s each",
        columns=("statements", "commit", "rows/s, idle loop", "rows/s, saturated loop"), rows=tuple(rows), figures={"ways": found},
    )  # fmt: skip
