"""`python -m bench growth`: fills two databases, compares them, and starts with a backlog. Exit status 1 if a line breaks."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.databases import KINDS, databases
from bench.growth.comparisons import Comparison, Side, compare
from bench.growth.fills import Filled, fill
from bench.growth.histories import DAY_MS
from bench.growth.operations import Operation, operations
from bench.growth.recoveries import Recovery, recover, report
from bench.growth.shapes import Shape, shape
from bench.report import Report, print_report
from hookwright.engine.bounds import Bounds
from hookwright.stores.postgres.store import open_store as open_postgres
from hookwright.stores.sqlite.store import open_store as open_sqlite

SMALL = 2_000
LANES = 2_000
"""Endpoints among which a backlog is spread."""
HELD = Bounds().queue
"""What a process has in memory at most."""
PAGE = 25
"""Few enough that the small database, too, fills every page."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench growth", description=__doc__)
    made.add_argument("--messages", type=int, default=2_000_000, help="of the large database (default 2000000); the small one has 2000")
    made.add_argument("--database", choices=KINDS, default="sqlite", help="default sqlite; postgres starts a server of its own")
    made.add_argument("--rounds", type=int, default=5, help="of the comparison, each with a start over either database (default 5)")
    made.add_argument("--rate", type=float, default=300, help="messages a second (default 300)")
    made.add_argument("--seconds", type=float, default=8, help="how long each load lasts (default 8)")
    made.add_argument("--backlog", type=int, default=200_000, help="retries that are due at start (default 200000; 0 leaves it out)")
    made.add_argument("--json", action="store_true", help="print one JSON object a table instead of tables")
    return made


def progress(line: str) -> None:
    print(f"  growth: {line}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    o = parser().parse_args(arguments)
    kept = True
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as folder, databases(o.database) as made:

        def database(name: str) -> str:
            return str(Path(folder) / f"{name}.db") if made.postgres is None else made.fresh()["HOOKWRIGHT_DATABASE"]

        for table in (comparison, recoveries):
            if table is recoveries and not o.backlog:
                continue
            found = table(o, database)
            print_report(found, as_json=o.json)
            kept = kept and found.kept
    return 0 if kept else 1


def comparison(o: argparse.Namespace, database: Callable[[str], str]) -> Report:
    small, large = (filled_side(database(name), shape(messages)) for name, messages in (("small", SMALL), ("large", o.messages)))
    return compare(small, large, Comparison(rounds=o.rounds, rate=o.rate, seconds=o.seconds), progress)


def filled_side(database: str, of: Shape) -> Side:
    began = time.monotonic()
    filled = asyncio.run(fill(database, of, progress))
    progress(f"{of.messages:,} messages are loaded, after {time.monotonic() - began:.0f} s")
    return Side(f"{of.messages:,}", database, asyncio.run(asked(database, filled.now - of.days * DAY_MS // 2, filled.now)))


async def asked(database: str, middle: int, now: int) -> list[Operation]:
    """Those of the large application, which fills a page on either side, and of what lies across applications."""
    async with open_postgres(database, now=now) if database.startswith("postgresql:") else open_sqlite(Path(database)) as store:
        return [one for one in await operations(store.read, middle, PAGE) if ", small" not in one.name]


def recoveries(o: argparse.Namespace, database: Callable[[str], str]) -> Report:
    """Each from a database of its own: without a backlog, with one at one endpoint, with one at many, with one held in part."""
    of = Shape(messages=SMALL, applications=LANES + 100, endpoints=2 * LANES, days=1)
    found: list[Recovery] = []
    for name, lanes, held in (
        ("none", 0, 0),
        ("one endpoint", 1, 0),
        (f"{LANES:,} endpoints", LANES, 0),
        (f"{LANES:,} endpoints, {HELD:,} held by a killed process", LANES, HELD),
    ):
        place = database(f"backlog{len(found)}")
        filled: Filled = asyncio.run(fill(place, of, progress))
        found.append(recover(name, place, filled, lanes, o.backlog, o.rate, o.seconds, held=held))
        progress(f"backlog at {name}: first delivery after {found[-1].first:.2f} s")
    return report(found, o.backlog)
