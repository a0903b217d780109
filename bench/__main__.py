"""`python -m bench`: without arguments all scenarios that `make bench` shows, one after another.

What is in COMMANDS is no scenario: it has arguments of its own, behind its name.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence

from bench import client, compare, cost, crowd, dead, profile, scenarios, zoo
from bench.growth import command as growth
from bench.report import Report, console, print_report
from hookwright import __version__

NAMES = ("throughput", "latency", "isolation", "offload", "hostile", "idle")
COMMANDS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "client": (client.main, "what one request out costs, by the sender and by aiohttp"),
    "compare": (compare.main, "two commits of this project under the same load, in turn"),
    "cost": (cost.main, "statements, commits and log of PostgreSQL per 1,000 messages"),
    "crowd": (crowd.main, "a third of a thousand endpoints is broken, or one tenant loud: what the others notice"),
    "dead": (dead.main, "an endpoint that was dead comes back to all that waited for it"),
    "growth": (growth.main, "whether speed decays as tables grow, and a start with a backlog"),
    "profile": (profile.main, "where the time of one message goes"),
    "zoo": (zoo.main, "what 500 attempts at hostile receivers at once cost the sender"),
}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description="Rates, latencies, CPU and memory, on this machine, over loopback.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="also, each with --help of its own:\n"
        + "\n".join(f"  python -m bench {name:8} {what}" for name, (_, what) in COMMANDS.items()),
    )
    made.add_argument("scenario", nargs="*", metavar="scenario", help=f"any of {', '.join(NAMES)} (default: throughput latency idle)")
    made.add_argument("--seconds", type=float, help="how long each run's load lasts (default 8; isolation 10, offload 3)")
    made.add_argument("--rounds", type=int, default=3, help="runs of throughput, latency and idle (default 3)")
    made.add_argument("--connections", type=int, default=64, help="throughput: requests under way (default 64)")
    made.add_argument("--rate", type=float, default=500, help="latency and isolation: messages a second (default 500)")
    made.add_argument("--size", type=int, default=500, help="payload bytes (default 500)")
    made.add_argument("--endpoints", type=int, default=50, help="isolation: endpoints (default 50)")
    made.add_argument("--pairs", type=int, default=5, help="isolation: pairs of runs (default 5)")
    made.add_argument("--json", action="store_true", help="print one JSON object a scenario instead of tables")
    return made


def carry_out(name: str, o: argparse.Namespace) -> Report:
    def progress(line: str) -> None:
        print(f"  {name}: {line}", file=sys.stderr, flush=True)

    match name:
        case "throughput":
            return scenarios.throughput(o.seconds or 8, o.rounds, o.connections, o.size, progress)
        case "latency":
            return scenarios.latency(o.seconds or 8, o.rounds, o.rate, o.size, progress)
        case "isolation":
            return scenarios.isolation(o.seconds or 10, o.pairs, o.rate, o.endpoints, progress)
        case "offload":
            return scenarios.beside(o.seconds or 3, progress)
        case "hostile":
            from bench import hostile  # it shows its own tables with what is here

            return hostile.hostile(o.seconds or 8, progress)
        case _:
            return scenarios.idle(o.seconds or 5, o.rounds, progress)


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 when something was lost, delivered twice, refused, or beyond its bounds."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]][0](given[1:])
    made = parser()
    o = made.parse_args(given)
    if unknown := set(o.scenario) - set(NAMES):
        made.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if not o.json:
        load = "/".join(f"{each:.1f}" for each in os.getloadavg())
        console().print(
            f"Hookwright {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
            f"{os.cpu_count()} cores, load before this began {load} (1, 5, 15 minutes)"
        )
    kept = True
    for name in o.scenario or ("throughput", "latency", "idle"):
        report = carry_out(name, o)
        kept = kept and report.kept
        print_report(report, as_json=o.json)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
