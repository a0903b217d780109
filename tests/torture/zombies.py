"""A node that is stopped (SIGSTOP) for longer than its lease, and comes back believing that nothing happened."""

import random
import signal
import time
from pathlib import Path

from tests.torture.cluster import LEASE, NODES, ClusterSite, finish
from tests.torture.verdict import Plan, Progress, Verdict, moments, stated, zero
from tests.torture.world import World
from tests.waiting import eventually


def freeze(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    chance = random.Random(plan.seed)
    frozen: list[tuple[str, int, float, float, float]] = []
    with World(ClusterSite(folder), plan) as world:
        processes = world.site.processes()
        for number, moment in enumerate(moments(plan, chance, until=0.9), start=1):
            world.wait_acknowledged(moment)
            place = chance.randrange(len(NODES))
            frozen.append(_freeze(world, place, LEASE + 1 + 2 * chance.random()))
            name, _, seconds, _, again = frozen[-1]
            progress(f"zombie {number} of {plan.times}: {name} stopped for {seconds:.1f} s, a node again after {again:.2f} s")
        world.drain()
        restarted = sum(now != then for now, then in zip(world.site.processes(), processes, strict=True))
        ends, checks = finish(world)
        unrecorded = world.receiver.count - world.site.count("attempts")
        held = {ended.end.epoch: ended.end for ended in ends}
    rows = tuple(
        (str(number), name, f"{seconds:.2f}", f"{held[epoch].at - at:.2f}", str(len(held[epoch].held)), f"{again:.2f}")
        for number, (name, epoch, seconds, at, again) in enumerate(frozen, start=1)
    )
    checks += [
        stated("attempts that were made and do not count, for their node had been ended", unrecorded),
        zero("processes that had to be restarted", restarted),
    ]
    columns = ("zombie", "node", "stopped for s", "ended after s", "held", "a node again after s")
    return Verdict(f"SIGSTOP beyond the lease, {plan.times} times, {plan.messages:,} messages, three nodes", columns, rows, tuple(checks))


def _freeze(world: World[ClusterSite], place: int, seconds: float) -> tuple[str, int, float, float, float]:
    """Stop a node for so long, and until it was ended, and let it go on: its name, its epoch, for how long it stood still,
    since when (Unix seconds), and how long it then took to be a node again.
    """
    process, name, evidence = world.site.servers[place].process, NODES[place], world.site.evidence
    assert process is not None
    epoch, at = evidence.epoch_of(name), time.time()
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
        eventually(lambda: epoch in {end.epoch for end in evidence.ends()}, f"{name} was not ended")
    finally:
        process.send_signal(signal.SIGCONT)
    stood, began = time.time() - at, time.monotonic()
    eventually(lambda: evidence.epoch_of(name) > epoch, f"{name} did not become a node again")
    return name, epoch, stood, at, time.monotonic() - began
