"""`python -m tests.torture`: kill -9 under load, and other harm. Ends with 0 only if every promise held."""

import argparse
import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.torture.clocks import jump
from tests.torture.harm import fill_disk, kill, pause, small_disk, terminate
from tests.torture.networks import break_network
from tests.torture.nodes import kill_nodes
from tests.torture.ordered import keep_order
from tests.torture.outages import stop_database
from tests.torture.power import cut_power
from tests.torture.verdict import Plan, Progress, Verdict
from tests.torture.zombies import freeze


class Harm(NamedTuple):
    """`times` and `messages`: what the long form does."""

    carry_out: Callable[[Path, Plan, Progress], Verdict]
    times: int
    messages: int = 0
    rate: float = 300


HARMS = {
    "kill": Harm(kill, 30, 20_000, 400),
    "terminate": Harm(terminate, 5, 5_000, 400),
    "pause": Harm(pause, 5, 5_000, 400),
    "disk": Harm(fill_disk, 3, 5_000, 400),
    "nodes": Harm(kill_nodes, 50, 100_000),
    "ordered": Harm(keep_order, 20, 20_000, 200),
    "zombie": Harm(freeze, 10, 12_000, 200),
    "outage": Harm(stop_database, 20, 30_000, 200),
    "network": Harm(break_network, 20, 20_000, 200),
    "clock": Harm(jump, 20, 12_000, 200),
    "power": Harm(cut_power, 200),
}


def parser() -> argparse.ArgumentParser:
    forms = "; ".join(f"{name}: {harm.times} times, {harm.messages:,} messages, {harm.rate:g}/s" for name, harm in HARMS.items())
    made = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__, epilog=f"Long forms: {forms}.")
    made.add_argument("harm", nargs="*", metavar="harm", help=f"any of {', '.join(HARMS)} (default: all)")
    made.add_argument("--times", "--kills", "--cuts", type=int, help="do it so many times (default: see below)")
    made.add_argument("--messages", type=int, help="messages meanwhile")
    made.add_argument("--rate", type=float, help="messages a second that the producer offers")
    made.add_argument("--seed", type=int, help="repeat this run's dice (default: a new one, printed)")
    made.add_argument("--untimed", action="store_true", help="do not insist on seconds: for machines that are busy with something else")
    return made


def show(verdict: Verdict, console: Console) -> None:
    table = Table(title=verdict.title, title_justify="left", min_width=len(verdict.title) + 2)
    for column in verdict.columns:
        table.add_column(column, justify="right")
    for row in verdict.harms:
        table.add_row(*row)
    console.print(table)
    judged = Table("check", "found", "holds")
    for check in verdict.checks:
        judged.add_row(check.name, check.found, "yes" if check.holds else "NO")
    console.print(judged)


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser()
    o = made.parse_args(arguments)
    if unknown := set(o.harm) - set(HARMS):
        made.error(f"no such harm: {', '.join(sorted(unknown))}; there are {', '.join(HARMS)}")
    seed = o.seed if o.seed is not None else random.SystemRandom().randrange(10**6)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"seed {seed}")
    broken: list[str] = []
    for name in o.harm or HARMS:
        harm = HARMS[name]
        plan = Plan(
            seed=seed, rate=o.rate or harm.rate, timed=not o.untimed, times=o.times or harm.times, messages=o.messages or harm.messages
        )
        place = small_disk() if name == "disk" else tempfile.TemporaryDirectory(prefix="torture-")
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(place)
            if folder is None:
                console.print("disk: not carried out, because mounting a small file system needs root")
                continue
            verdict = harm.carry_out(Path(folder), plan, lambda line: console.print(f"  {line}"))
        show(verdict, console)
        broken += [f"{name}: {check.name}: {check.found}" for check in verdict.checks if not check.holds]
    console.print("everything held" if not broken else "DID NOT HOLD:\n  " + "\n  ".join(broken) + f"\n--seed {seed} repeats the dice")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
