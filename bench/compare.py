"""`python -m bench compare BASE [HEAD]`: two commits of this project under the same load, in turn.

Each round starts a real server of each side on a fresh database and warms both up. Then they take turns, A B B A, and B A A B
in every second round: neither a drift of the machine nor being the first weighs on one alone. First in a closed loop (what
one delivery costs, how many there are a second), then at a fixed rate (how late they are). A round yields one ratio a figure;
`ratios` makes a verdict of the rounds.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import fmean

import msgspec

from bench import ratios
from bench.checkouts import Tree, UnknownCommit, checked_out, identify, uncommitted, working_tree
from bench.databases import KINDS, Databases, databases
from bench.figures import measure_whole
from bench.generator import Load
from bench.report import Progress, Report, print_report
from bench.setup import prepare
from bench.world import Server, SinkProcess

SIDES = "AB"
ORDERS = ("ABBA", "BAAB")
WARM_SECONDS = 1.5


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds`: of one turn; `rate`: messages a second, where the loop is open; `seed`: of the payloads."""

    rounds: int = 12
    seconds: float = 2.0
    connections: int = 64
    rate: float = 500
    size: int = 500
    seed: int = 1
    database: str = "sqlite"


class Figure(msgspec.Struct, frozen=True):
    """How a figure is shown; `more` and `less`: what B is called when it has more, or less, of it than A."""

    name: str
    label: str
    form: str
    more: str = "slower"
    less: str = "faster"


FIGURES = (
    Figure("cpu_us_per_delivery", "CPU us/delivery", ".0f"),
    Figure("database_us_per_delivery", "of PostgreSQL, us/delivery", ".0f"),
    Figure("delivered_per_s", "delivered/s", ".0f", "faster", "slower"),
    Figure("accept_p50_ms", "accept p50 ms", ".2f"),
    Figure("accept_p99_ms", "accept p99 ms", ".2f"),
    Figure("end_to_end_p50_ms", "end to end p50 ms", ".2f"),
    Figure("end_to_end_p99_ms", "end to end p99 ms", ".2f"),
    Figure("peak_memory_mib", "peak MiB", ".0f", "larger", "smaller"),
)
Found = dict[str, float]


class Side:
    """One server of a round, with its receiver."""

    def __init__(self, server: Server, sink: SinkProcess, stored: Databases, run: str) -> None:
        self.server, self.sink, self._stored, self._run = server, sink, stored, run
        self._path = prepare(server, sink)
        self._turns = 0
        self.turns: list[Found] = []

    def turn(self, plan: Plan, *, rate: float | None, seconds: float) -> Found:
        """One load. Raises RuntimeError if it was not whole."""
        self._turns += 1
        load = Load(
            port=self.server.port, path=self._path, token=self.server.token, seconds=seconds, connections=plan.connections,
            rate=rate, size=plan.size, seed=plan.seed, run=f"{self._run}-{self._turns}",
        )  # fmt: skip
        before = self._stored.cpu_seconds()
        found = measure_whole(self.server, self.sink, load)
        spent = (self._stored.cpu_seconds() - before) / found.arrived * 1e6
        figures: Found = msgspec.to_builtins(found)
        return figures | {"database_us_per_delivery": spent}


def compare(base: Tree, head: Tree, plan: Plan, progress: Progress) -> Report:
    """A is `base`, B is `head`. Raises RuntimeError."""
    rounds: list[dict[str, Found]] = []
    with databases(plan.database) as stored:
        for number in range(plan.rounds):
            rounds.append(one_round((base, head), plan, stored, number))
            cpu = {side: rounds[-1][side]["cpu_us_per_delivery"] for side in SIDES}
            progress(f"round {number + 1} of {plan.rounds}: CPU us/delivery {cpu['A']:.0f} and {cpu['B']:.0f}")
    return report(base.name, head.name, plan, rounds)


def one_round(trees: tuple[Tree, Tree], plan: Plan, stored: Databases, number: int) -> dict[str, Found]:
    """The figures of both sides, each the mean of its turns. `number` counts from 0."""
    order = ORDERS[number % 2]
    with pair(trees, stored, order[:2], number) as sides:
        for side in order[:2]:
            sides[side].turn(plan, rate=None, seconds=min(WARM_SECONDS, plan.seconds))
        closed = _turns(order, sides, lambda side: side.turn(plan, rate=None, seconds=plan.seconds))
        opened = _turns(order, sides, lambda side: side.turn(plan, rate=plan.rate, seconds=plan.seconds))
        late = {figure.name for figure in FIGURES if figure.name.endswith("_ms")}
        return {
            side: closed[side] | {name: opened[side][name] for name in late} | {"peak_memory_mib": sides[side].server.memory_mib("VmHWM")}
            for side in SIDES
        }


@contextmanager
def pair(trees: tuple[Tree, Tree], stored: Databases, first: str, number: int) -> Iterator[dict[str, Side]]:
    """A server of each tree, both at once: the one whose turn it is not does next to nothing. `first`: the order of starting."""
    tree_of = dict(zip(SIDES, trees, strict=True))
    with ExitStack() as ends:
        sides = {}
        for side in first:
            environment = stored.fresh()
            ends.callback(stored.drop, environment)
            sink = SinkProcess()
            ends.callback(sink.end)
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            # The same seed for both: how dictionaries fall into place is worth a per cent or two.
            tree = tree_of[side]
            server = Server(folder, tree.python, **tree.environment, **environment, PYTHONHASHSEED=str(number + 1))
            ends.callback(server.end)
            sides[side] = Side(server, sink, stored, f"{time.time_ns():x}")
        yield sides


def _turns(order: str, sides: dict[str, Side], turn: Callable[[Side], Found]) -> dict[str, Found]:
    found: dict[str, list[Found]] = {side: [] for side in SIDES}
    for side in order:
        found[side].append(turn(sides[side]))
    return {side: {name: fmean(each[name] for each in found[side]) for name in found[side][0]} for side in SIDES}


def report(base: str, head: str, plan: Plan, rounds: Sequence[dict[str, Found]]) -> Report:
    rows, found = [], {}
    for figure in FIGURES:
        pairs = [(each["A"][figure.name], each["B"][figure.name]) for each in rounds]
        if not all(a > 0 and b > 0 for a, b in pairs):  # not measured here
            continue
        got = ratios.ratio(pairs)
        verdict = {1: figure.more, -1: figure.less, 0: "no difference shown"}[got.direction]
        middle = [sorted(side)[len(pairs) // 2] for side in zip(*pairs, strict=True)]
        rows.append(
            (
                figure.label,
                *(format(each, figure.form) for each in middle),
                f"{got.median:.3f}",
                f"{got.low:.3f} to {got.high:.3f}",
                verdict,
            )
        )
        found[figure.name] = msgspec.to_builtins(got) | {"verdict": verdict, "pairs": pairs}
    sure = ratios.coverage(plan.rounds, ratios.outside(plan.rounds))
    return Report(
        title=f"compare, on {plan.database}",
        columns=("figure", "A", "B", "B/A", "interval", "B is"), rows=tuple(rows), figures=found,
        notes=(
            f"A: {base}",
            f"B: {head}",
            f"n = {plan.rounds} rounds of fresh servers, each {' and '.join(ORDERS)} in turn; medians, and of the paired ratios "
            f"the median with its {sure:.1%} interval (order statistics, the sign test's)."
            + ("" if sure >= ratios.CONFIDENCE else f" Too few for a verdict: at least {ratios.FEWEST}."),
            f"Rates and CPU: closed loop, {plan.connections} connections, turns of {plan.seconds:g} s. Times: {plan.rate:g} messages/s. "
            f"Payloads: {plan.size} bytes, seed {plan.seed}.",
        ),
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench compare", description="Two commits of this project under the same load, in turn.")
    made.add_argument("base", metavar="BASE", help="a commit: A")
    made.add_argument("head", metavar="HEAD", nargs="?", default="HEAD", help="a commit: B (default HEAD)")
    made.add_argument("--tree", action="store_true", help="B is the working tree, with what is not committed")
    made.add_argument("--database", choices=KINDS, default="sqlite", help="where both keep their data (default sqlite)")
    made.add_argument(
        "--rounds", type=int, default=Plan().rounds, help=f"fresh servers of both (default {Plan().rounds}; a verdict needs 8)"
    )
    made.add_argument("--seconds", type=float, default=Plan().seconds, help="of each turn (default 2)")
    made.add_argument("--connections", type=int, default=Plan().connections, help="closed loop: requests under way (default 64)")
    made.add_argument("--rate", type=float, default=Plan().rate, help="fixed rate: messages a second (default 500)")
    made.add_argument("--size", type=int, default=Plan().size, help="payload bytes (default 500)")
    made.add_argument("--seed", type=int, default=Plan().seed, help="of the payloads (default 1)")
    made.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    return made


def main(arguments: Sequence[str]) -> int:
    """0, also when B is slower: that is for people to judge; 1 when a run was not whole; 2 for a commit that is none."""
    made = parser()
    o = made.parse_args(arguments)
    if o.rounds < 1 or o.seconds <= 0:
        made.error("there must be a round, and it must last")
    plan = Plan(**{name: getattr(o, name) for name in Plan.__struct_fields__})

    def progress(line: str) -> None:
        print(f"  compare: {line}", file=sys.stderr, flush=True)

    try:
        for commit in (o.base, o.head):  # before anything is made
            identify(commit)
        if uncommitted() and not o.tree:
            progress("there are uncommitted changes; they are in neither side (--tree compares the working tree)")
        with checked_out(o.base) as base, ExitStack() as ends:
            head = working_tree() if o.tree else ends.enter_context(checked_out(o.head))
            print_report(compare(base, head, plan, progress), as_json=o.json)
    except UnknownCommit as error:
        print(error, file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
