"""A start with a backlog of due retries: when the first of them is delivered, what memory it takes, and what fresh messages feel."""

import asyncio
import time

import msgspec

from bench.figures import Figures, measure
from bench.generator import Load
from bench.growth.backlogs import add_backlog
from bench.growth.fills import Filled, opened, redirect
from bench.growth.servers import APPLICATION, serving
from bench.growth.shapes import LIVE
from bench.report import Report
from bench.world import SinkProcess

FIRST_SECONDS, MOST_MORE_MIB = 2.0, 100.0
MOST_RATIO, MOST_MORE_MS = 2.0, 50.0
"""What a backlog may do to the median of fresh messages: this factor, or so much more."""
PATIENCE_SECONDS = 30.0


class Recovery(msgspec.Struct, frozen=True):
    """`started`: seconds from its start until the server listens; `first`: from then to the first arrival, 0 if it was before."""

    name: str
    started: float
    first: float
    fresh: Figures


def recover(name: str, database: str, filled: Filled, lanes: int, backlog: int, rate: float, seconds: float, *, held: int) -> Recovery:
    """Start over `database` after `backlog` retries were spread over `lanes` endpoints (none for 0), while fresh messages come.

    `held`: so many of them were in the hands of a process that was killed.
    """
    places = [(app, ends[0]) for app, ends in zip(filled.registered.applications[LIVE:], filled.registered.endpoints[LIVE:], strict=True)]
    now = int(time.time() * 1000)

    async def prepare() -> None:
        async with opened(database, now - 86_400_000, now) as insert:
            await add_backlog(
                insert, places[:lanes], backlog // lanes, now, held=held, leased=held > 0 and database.startswith("postgresql:")
            )

    late = SinkProcess()
    try:
        asyncio.run(redirect(database, f"{late.url}/hook/late"))
        if lanes:
            asyncio.run(prepare())
        with serving(database) as (server, sink, began, listened):
            while lanes and not late.count() and time.monotonic() - listened < PATIENCE_SECONDS:
                time.sleep(0.005)
            first = time.monotonic() - listened if lanes else 0.0
            load = Load(
                port=server.port, path=f"{APPLICATION}/msg", token=server.token, seconds=seconds, rate=rate, run=f"{time.time_ns():x}"
            )
            return Recovery(name, listened - began, first, measure(server, sink, load))
    finally:
        late.end()


def report(found: list[Recovery], backlog: int) -> Report:
    """The first is the one without a backlog."""
    without = found[0].fresh
    rows = []
    for one in found:
        fresh = one.fresh
        good = (
            one.first <= FIRST_SECONDS
            and fresh.peak_memory_mib <= without.peak_memory_mib + MOST_MORE_MIB
            and fresh.end_to_end_p50_ms <= max(MOST_RATIO * without.end_to_end_p50_ms, without.end_to_end_p50_ms + MOST_MORE_MS)
            and not fresh.lost + fresh.refused + fresh.broken
        )
        rows.append((
            one.name, f"{one.started:.2f}", f"{one.first:.2f}", f"{fresh.peak_memory_mib:.0f}", f"{fresh.accept_p99_ms:.1f}",
            f"{fresh.end_to_end_p50_ms:.1f}", f"{fresh.end_to_end_p99_ms:.1f}", str(fresh.lost), "yes" if good else "NO",
        ))  # fmt: skip
    return Report(
        title=f"growth: a start with {backlog:,} due retries, while fresh messages come",
        columns=(
            "backlog", "until it listens s", "then first delivery s", "peak MiB", "fresh: accept p99 ms", "fresh: p50 ms", "fresh: p99 ms",
            "lost", "within bounds",
        ),
        rows=tuple(rows), figures={"recoveries": [msgspec.to_builtins(one) for one in found]}, kept=all(row[-1] == "yes" for row in rows),
        notes=(
            f"Bounds: {FIRST_SECONDS:g} s from listening; {MOST_MORE_MIB:g} MiB more than without; a median of fresh messages at most "
            f"{MOST_RATIO:g} times, or {MOST_MORE_MS:g} ms more than, the one without.",
        ),
    )  # fmt: skip
