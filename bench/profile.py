"""`python -m bench profile [COMMIT]`: where the time of one message goes.

A real server under a closed loop, watched from outside by py-spy: it looks at the stack some hundred times a second and
needs nothing of the server. Only the loop's thread counts, and only while it does not wait: what goes on beside it is the
commit, which waits for the disk. A look belongs to the innermost frame that `PARTS` knows, so what a library does is its caller's.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench import processes
from bench.checkouts import Tree, UnknownCommit, checked_out, working_tree
from bench.databases import KINDS, databases
from bench.figures import Figures, measure_whole
from bench.generator import Load
from bench.report import Progress, Report, print_report
from bench.setup import prepare
from bench.world import Server, SinkProcess

WARM_SECONDS = 2.0
PARTS = (
    ("attempt: HTTP client", ("hookwright/senders/", "aiohttp/", "yarl/", "multidict/")),
    ("attempt: signature", ("hookwright/signing/",)),
    ("attempt: build, classify, decide", ("hookwright/engine/executor.py",)),
    ("settle", ("hookwright/engine/settler.py",)),
    ("accept: statements", ("hookwright/stores/",)),
    ("dispatch", ("hookwright/engine/dispatcher.py", "hookwright/engine/lanes.py")),
    ("request: authenticate", ("hookwright/api/auth", "hookwright/engine/credentials.py")),
    ("request: write the answer", ("hookwright/api/outlet.py", "send (uvicorn/", "respond (hookwright/api/")),
    ("request: parse", ("hookwright/api/connections.py", "hookwright/api/arrivals.py", "hookwright/api/heads.py", "uvicorn/")),
    ("request: decode, check, make the message", ("hookwright/api/", "hookwright/engine/ingest.py")),
    ("leases, news, tidying", ("hookwright/engine/",)),
)
"""Frames are `function (file)`; a part is the first of which a frame holds a word."""

SETTLE, SETTLING = "settle: statements", "settle (hookwright/stores/"
"""What a statement is for is said further out than the innermost frame."""

LOOP = "event loop"
BESIDE = "threading.py"
"""Among the outermost frames of every thread but the loop's."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`looks`: a second."""

    seconds: float = 12.0
    connections: int = 64
    size: int = 500
    looks: int = 250
    database: str = "sqlite"


class Shares(msgspec.Struct, frozen=True):
    """Looks by part, and by function; a function's are those at which it was the innermost."""

    parts: Counter[str]
    functions: Counter[str]


def part(stack: Sequence[str]) -> str:
    """Of a stack, outermost first."""
    settling = any(SETTLING in frame for frame in stack)
    for frame in reversed(stack):
        for name, words in PARTS:
            if any(word in frame for word in words):
                return SETTLE if settling and name == "accept: statements" else name
    return LOOP


def shares(raw: str) -> Shares:
    """Of what py-spy writes: a line a stack, its frames by semicolons, and how often it was seen."""
    found = Shares(Counter(), Counter())
    for line in raw.splitlines():
        frames, _, count = line.rpartition(" ")
        stack = frames.split(";")
        if any(BESIDE in frame for frame in stack[:3]):
            continue
        found.parts[part(stack)] += int(count)
        found.functions[stack[-1]] += int(count)
    return found


def profile(tree: Tree, plan: Plan, progress: Progress) -> Report:
    """Raises RuntimeError: py-spy is not here or may not look, or the run was not whole."""
    with databases(plan.database) as stored, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sink = SinkProcess()
        server = Server(Path(folder), tree.python, **tree.environment, **stored.fresh())
        try:
            path = prepare(server, sink)
            _load(server, sink, path, plan, WARM_SECONDS)
            output = Path(folder) / "stacks"
            with _watching(server.process.pid, output, plan) as watcher:
                before = processes.thread_cpu_seconds(server.process.pid)
                figures = _load(server, sink, path, plan, plan.seconds + 1)
                loop = (processes.thread_cpu_seconds(server.process.pid) - before) / figures.arrived * 1e6
                if watcher.wait():
                    raise RuntimeError("py-spy may not look at the server: run as root, or allow ptrace")
            progress(f"{figures.arrived} deliveries, {figures.cpu_us_per_delivery:.0f} us of CPU each")
            return report(tree.name, plan, figures, loop, shares(output.read_text()))
        finally:
            server.end()
            sink.end()


def _watching(pid: int, output: Path, plan: Plan) -> subprocess.Popen[bytes]:
    program = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
    if not Path(program).exists():
        raise RuntimeError("py-spy is not installed: run `make .venv/dev`")
    command = [program, "record", "--pid", str(pid), "--format", "raw", "--function", "--output", str(output)]
    command += ["--duration", f"{plan.seconds:.0f}", "--rate", str(plan.looks)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _load(server: Server, sink: SinkProcess, path: str, plan: Plan, seconds: float) -> Figures:
    load = Load(
        port=server.port, path=path, token=server.token, seconds=seconds, connections=plan.connections, size=plan.size,
        run=f"{time.time_ns():x}",
    )  # fmt: skip
    return measure_whole(server, sink, load)


def report(name: str, plan: Plan, figures: Figures, loop: float, found: Shares) -> Report:
    """`loop`: microseconds of CPU a delivery in the loop's thread."""
    total = max(1, found.parts.total())
    rows = [(each, f"{count / total:.1%}", f"{count / total * loop:.0f}") for each, count in found.parts.most_common()]
    functions = [(each, f"{count / total:.1%}", "") for each, count in found.functions.most_common(20)]
    return Report(
        title=f"profile, on {plan.database}",
        columns=("part", "share", "us a delivery"), rows=(*rows, ("-- innermost functions --", "", ""), *functions),
        figures={
            "parts": {each: count / total for each, count in found.parts.items()}, "looks": total,
            "functions": {each: count / total for each, count in found.functions.most_common(100)},
            "figures": msgspec.to_builtins(figures), "loop_us_per_delivery": loop,
        },
        notes=(
            f"Of {name}: {total} looks in {plan.seconds:g} s of {plan.connections} connections; {figures.delivered_per_s:.0f} "
            f"delivered/s, {figures.cpu_us_per_delivery:.0f} us of CPU a delivery, {loop:.0f} of them in the loop's thread; "
            "being watched costs, too: compare shares, not rates.",
        ),
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench profile", description="Where the time of one message goes (py-spy).")
    made.add_argument("commit", nargs="?", metavar="COMMIT", help="what to watch (default: the working tree)")
    made.add_argument("--database", choices=KINDS, default="sqlite", help="where it keeps its data (default sqlite)")
    made.add_argument("--seconds", type=float, default=Plan().seconds, help="how long it is watched (default 12)")
    made.add_argument("--connections", type=int, default=Plan().connections, help="requests under way (default 64)")
    made.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    return made


def main(arguments: Sequence[str]) -> int:
    """0; 1 when it could not be watched; 2 for a commit that is none."""
    o = parser().parse_args(arguments)

    def progress(line: str) -> None:
        print(f"  profile: {line}", file=sys.stderr, flush=True)

    try:
        with ExitStack() as ends:
            tree = ends.enter_context(checked_out(o.commit)) if o.commit else working_tree()
            plan = Plan(seconds=o.seconds, connections=o.connections, database=o.database)
            print_report(profile(tree, plan, progress), as_json=o.json)
    except UnknownCommit as error:
        print(error, file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
