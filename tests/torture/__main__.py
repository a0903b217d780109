"""`python -m tests.torture`: kill -9 under load, and other harm. Ends with 0 only if every promise held."""

import argparse
import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.torture.harm import Plan, Verdict, fill_disk, kill, pause, small_disk, terminate

HARMS: dict[str, Callable[..., Verdict]] = {"kill": kill, "terminate": terminate, "pause": pause, "disk": fill_disk}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    made.add_argument("harm", nargs="*", metavar="harm", help=f"any of {', '.join(HARMS)} (default: all)")
    made.add_argument("--kills", type=int, default=30, help="kill -9 so many times (default 30)")
    made.add_argument("--messages", type=int, default=20_000, help="messages while killing (default 20,000)")
    made.add_argument("--rate", type=float, default=400, help="messages a second that the producer offers (default 400)")
    made.add_argument("--seed", type=int, help="repeat this run's dice (default: a new one, printed)")
    made.add_argument(
        "--untimed", action="store_true", help="do not insist on fast restarts: for machines that are busy with something else"
    )
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
        killing = name == "kill"
        plan = Plan(
            seed=seed, rate=o.rate, timed=not o.untimed, times=o.kills if killing else {"disk": 3}.get(name, 5),
            messages=o.messages if killing else min(o.messages, 5_000),
        )  # fmt: skip
        place = small_disk() if name == "disk" else tempfile.TemporaryDirectory(prefix="torture-")
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(place)
            if folder is None:
                console.print("disk: not carried out, because mounting a small file system needs root")
                continue
            verdict = HARMS[name](Path(folder), plan, lambda line: console.print(f"  {line}"))
        show(verdict, console)
        broken += [f"{name}: {check.name}: {check.found}" for check in verdict.checks if not check.holds]
    console.print("everything held" if not broken else "DID NOT HOLD:\n  " + "\n  ".join(broken) + f"\n--seed {seed} repeats the dice")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
