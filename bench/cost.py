"""`python -m bench cost`: what a message costs PostgreSQL, by its own books.

A real server, some thousand messages, and what `pg_stat_statements`, `pg_stat_database` and `pg_stat_wal` have counted meanwhile,
per 1,000 messages. What the same process does when nobody asks it for anything (leases, news, tidying) is measured first,
stated per second, and taken off.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from bench.databases import databases
from bench.figures import measure_whole
from bench.generator import Load
from bench.report import Progress, Report, print_report
from bench.setup import prepare
from bench.world import Server, SinkProcess

FLUSH_SECONDS = 11.0
"""PostgreSQL's processes hand in what they counted within ten seconds at the latest."""

MOST_SECONDS = 300.0
SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top"}
OTHERS = ("Svix, per 1,000 messages to one endpoint (11 and 2 a message, by reading their published code)", "11000", "2000")

GROUPS = (
    ("accept", "insert into messages"),
    ("settle", "insert into attempts"),
    ("claim", "for update of d skip locked"),
    ("claim", "select epoch from nodes where epoch ="),
    ("claim", "select min(due_at) from deliveries"),
    ("news", "from news"),
    ("lease", "nodes"),
    ("lease", "update deliveries set owner = 0"),
    ("begin and commit", "begin"),
    ("begin and commit", "commit"),
)
"""The first of these words that is found in a statement says where it counts; what has none of them is `other`."""

COUNTED = ("accept", "settle", "claim", "news", "lease", "begin and commit", "other")
BOOKS = ("commits", "wal_records", "wal_bytes", "wal_syncs")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    messages: int = 10_000
    connections: int = 64
    rate: float = 500
    endpoints: tuple[int, ...] = (1, 3)
    size: int = 500
    idle_seconds: float = 10.0
    flush_seconds: float = FLUSH_SECONDS


class Books(msgspec.Struct, frozen=True):
    """What was counted up to `at` (monotonic seconds): calls of each group, and BOOKS."""

    at: float
    counts: dict[str, float]

    def since(self, before: "Books") -> "Books":
        """`at` is then the time between the two."""
        return Books(self.at - before.at, {name: count - before.counts[name] for name, count in self.counts.items()})

    def without(self, idle: "Books") -> dict[str, float]:
        """What is left when an idle process's share of this time is taken off."""
        return {name: max(0.0, count - idle.counts[name] * self.at / idle.at) for name, count in self.counts.items()}


def group(statement: str) -> str:
    text = statement.lower()
    return next((name for name, word in GROUPS if word in text), "other")


def cost(plan: Plan, progress: Progress) -> Report:
    """Raises RuntimeError: there is no PostgreSQL here or it lacks the extension, or a run was not whole."""
    rows: list[tuple[str, ...]] = []
    found: dict[str, object] = {}
    with databases("postgres", **SETTINGS) as stored:
        assert stored.postgres is not None
        stored.postgres.execute("create extension pg_stat_statements")
        for endpoints in plan.endpoints:
            environment = stored.fresh()
            counter = _Counter(stored.postgres.url(), environment["HOOKWRIGHT_DATABASE"].rpartition("/")[2], plan.flush_seconds)
            for name, counts in _costs(plan, endpoints, environment, counter, progress).items():
                found[name] = counts
                rows.append((name, *_cells(counts)))
            stored.drop(environment)
    return Report(
        title=f"cost, by PostgreSQL's books: {plan.messages} messages of {plan.size} bytes a run",
        columns=("per 1,000 messages (idle: per second)", "statements", *COUNTED, *(name.replace("_", " ") for name in BOOKS)),
        rows=tuple(rows), figures=found,
        notes=(
            "A statement is one round trip. The idle share (leases, news, tidying) is taken off the other lines.",
            f"{OTHERS[0]}: {OTHERS[1]} round trips, {OTHERS[2]} commits.",
        ),
    )  # fmt: skip


def _cells(counts: dict[str, float]) -> tuple[str, ...]:
    statements = sum(counts[name] for name in COUNTED)
    return tuple(f"{each:.0f}" if each >= 10 else f"{each:.1f}" for each in (statements, *(counts[name] for name in (*COUNTED, *BOOKS))))


def _costs(plan: Plan, endpoints: int, environment: dict[str, str], counter: "_Counter", progress: Progress) -> dict[str, dict[str, float]]:
    """By the name of the run."""
    found = {}
    to = f"{endpoints} endpoint{'s' * (endpoints > 1)}"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sink = SinkProcess()
        server = Server(Path(folder), **environment)
        try:
            path = prepare(server, sink, copies=endpoints)
            _load(server, sink, path, endpoints, Load(port=0, path="", token="", seconds=MOST_SECONDS, count=plan.connections))
            before = counter.read()
            time.sleep(plan.idle_seconds)
            idle = (after := counter.read()).since(before)
            found[f"idle, {to}"] = {name: count / idle.at for name, count in idle.counts.items()}
            closed = Load(
                port=0, path="", token="", seconds=MOST_SECONDS, connections=plan.connections, size=plan.size, count=plan.messages
            )
            opened = Load(port=0, path="", token="", seconds=plan.messages / plan.rate, rate=plan.rate, size=plan.size)
            for name, load in (f"{to}, {plan.connections} connections", closed), (f"{to}, {plan.rate:g}/s", opened):
                accepted = _load(server, sink, path, endpoints, load)
                before, after = after, counter.read()
                found[name] = {each: count / accepted * 1000 for each, count in after.since(before).without(idle).items()}
                progress(f"{name}: {accepted} messages")
        finally:
            server.end()
            sink.end()
    return found


def _load(server: Server, sink: SinkProcess, path: str, copies: int, load: Load) -> int:
    """How many were accepted. Raises RuntimeError if anything was lost, refused or delivered twice."""
    given = msgspec.structs.replace(load, port=server.port, path=path, token=server.token, run=f"{time.time_ns():x}")
    return measure_whole(server, sink, given, copies=copies).accepted


class _Counter:
    """Reads the books from another database, so that reading counts for nothing in them."""

    def __init__(self, url: str, database: str, flush_seconds: float) -> None:
        self._url, self._database, self._flush_seconds = url, database, flush_seconds

    def read(self) -> Books:
        at = time.monotonic()
        time.sleep(self._flush_seconds)
        return Books(at, asyncio.run(self._read()))

    async def _read(self) -> dict[str, float]:
        connection = await asyncpg.connect(self._url)
        try:
            counts = dict.fromkeys((*COUNTED, *BOOKS), 0.0)
            of = "select oid from pg_database where datname = $1"
            for query, calls in await connection.fetch(f"select query, calls from pg_stat_statements where dbid = ({of})", self._database):
                counts[group(query)] += calls
            counts["commits"] = await connection.fetchval(f"select xact_commit from pg_stat_database where datid = ({of})", self._database)
            counts |= await _wal(connection)
            return counts
        finally:
            await connection.close()


async def _wal(connection: Any) -> dict[str, float]:
    """Of the whole server, which has nothing else to do. Empty before PostgreSQL 14; syncs moved elsewhere with 18."""
    try:
        row = dict(await connection.fetchrow("select * from pg_stat_wal"))
    except asyncpg.UndefinedTableError:
        return {}
    return {
        "wal_records": float(row["wal_records"]), "wal_bytes": float(row["wal_bytes"]), "wal_syncs": float(row.get("wal_sync", 0)),
    }  # fmt: skip


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench cost", description="What a message costs PostgreSQL, by its own books.")
    made.add_argument("--messages", type=int, default=Plan().messages, help="of each run (default 10000)")
    made.add_argument("--connections", type=int, default=Plan().connections, help="closed loop: requests under way (default 64)")
    made.add_argument("--rate", type=float, default=Plan().rate, help="fixed rate: messages a second (default 500)")
    made.add_argument(
        "--endpoints", type=int, nargs="+", default=list(Plan().endpoints), help="receivers of each message (default 1 and 3)"
    )
    made.add_argument("--size", type=int, default=Plan().size, help="payload bytes (default 500)")
    made.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    return made


def main(arguments: Sequence[str]) -> int:
    """0; 1 when a run was not whole or PostgreSQL is not here."""
    o = parser().parse_args(arguments)
    plan = Plan(messages=o.messages, connections=o.connections, rate=o.rate, endpoints=tuple(o.endpoints), size=o.size)

    def progress(line: str) -> None:
        print(f"  cost: {line}", file=sys.stderr, flush=True)

    try:
        print_report(cost(plan, progress), as_json=o.json)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
