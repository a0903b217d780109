"""`python -m tests.simulation --seeds 1000` tells that many stories; `--seed N` one again; `--ordered`,
`--scripted` those in which endpoints are ordered, have transformations."""

import argparse
import logging
import sys
import time

from tests.simulation.scenario import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone, with the engine's log")
    parser.add_argument("--ordered", action="store_true", help="the stories in which endpoints are ordered")
    parser.add_argument("--scripted", action="store_true", help="the stories in which endpoints have transformations")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.seed is not None:
        seeds = range(arguments.seed, arguments.seed + 1)
    else:
        logging.disable(logging.CRITICAL)
    began, requests = time.monotonic(), 0
    for done, seed in enumerate(seeds, start=1):
        try:
            requests += simulate(seed, ordered=arguments.ordered, scripted=arguments.scripted)
        except BaseException:
            again = f"--seed {seed}{' --ordered' * arguments.ordered}{' --scripted' * arguments.scripted}"
            print(f"seed {seed} failed; replay it: python -m tests.simulation {again}", file=sys.stderr)
            raise
        if done % 50 == 0 or done == len(seeds):
            print(f"{done}/{len(seeds)} seeds, {requests} requests, {time.monotonic() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
