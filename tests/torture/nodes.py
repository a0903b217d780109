"""kill -9 of nodes that share a PostgreSQL: the others take over what a dead one held, and it comes back."""

import random
import time
from pathlib import Path

from tests.torture.cluster import LEASE, NODES, ClusterSite, Ended, finish
from tests.torture.verdict import Check, Plan, Progress, Verdict, moments
from tests.torture.world import World

TWICE_AT_MOST = 0.005
"""Of all deliveries. More than that says that nodes hold on to what they have finished."""

_Kill = tuple[int, int, int, int, float]
"""Place of the node, its epoch (0: killed before it was a node), acknowledged and open at that moment, seconds until its restart."""


def kill_nodes(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """A random node each time; half of them are restarted at once, the others after up to twice the lease."""
    chance = random.Random(plan.seed)
    kills: list[_Kill] = []
    with World(ClusterSite(folder), plan) as world:
        for number, moment in enumerate(moments(plan, chance), start=1):
            world.wait_acknowledged(moment)
            time.sleep(chance.random() * 0.05)
            place, pause = chance.randrange(len(NODES)), chance.choice((0.0, chance.random() * 2 * LEASE))
            acknowledged, under_way = world.acknowledged(), len(world.receiver.open)
            epoch = world.site.kill(place)
            time.sleep(pause)
            world.site.servers[place].spawn()
            kills.append((place, epoch, acknowledged, under_way, pause))
            progress(f"kill {number} of {plan.times}: {NODES[place]} at {acknowledged:,} acknowledged, back after {pause:.1f} s")
        world.site.wait_all()
        ends, checks = finish(world)
    deaths = world.site.deaths
    died = {ended.end.epoch: ended for ended in ends if ended.end.epoch in deaths}
    rows = tuple(_row(deaths, number, kill, died.get(kill[1])) for number, kill in enumerate(kills, start=1))
    takeovers = [ended.end.at - deaths[epoch] for epoch, ended in died.items()]
    never = set(deaths) - set(died)
    twice, bound = _twice(world), LEASE + 1
    slowest = max(takeovers, default=0.0)
    few, fast = not plan.timed or twice < TWICE_AT_MOST, not plan.timed or slowest <= bound
    checks += [
        Check("delivered twice, of all", f"{100 * twice:.3f} % (bound {100 * TWICE_AT_MOST:g} %)", few),
        Check("take-over after a death, slowest", f"{slowest:.2f} s (bound: lease + 1 s = {bound:g} s)", fast),
        Check("dead nodes that nobody took over", str(len(never)), not never),
    ]  # fmt: skip
    columns = (
        "kill", "node", "acknowledged", "open at the receiver", "held", "of these answered", "taken over after s", "made again after s",
        "restarted after s",
    )  # fmt: skip
    return Verdict(f"kill -9 of one of three nodes, {plan.times} times, {plan.messages:,} messages", columns, rows, tuple(checks))


def _row(deaths: dict[int, float], number: int, kill: _Kill, ended: Ended | None) -> tuple[str, ...]:
    place, epoch, acknowledged, under_way, pause = kill
    shown = (str(number), NODES[place], f"{acknowledged:,}", str(under_way))
    if ended is None:
        return (*shown, "-", "-", "was no node yet", "-", f"{pause:.1f}")
    died = deaths[epoch]
    made = "-" if ended.again is None else f"{ended.again - died:.2f}"
    return (*shown, str(len(ended.end.held)), str(ended.answered), f"{ended.end.at - died:.2f}", made, f"{pause:.1f}")


def _twice(world: World[ClusterSite]) -> float:
    """The share of deliveries that came twice."""
    answered = [world.receiver.succeeded(place) for place in world.receiver.arrivals]
    return sum(times - 1 for times in answered if times > 1) / len(answered)
