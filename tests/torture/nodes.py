"""kill -9 of nodes that share a PostgreSQL: the others take over what a dead one held, and it comes back."""

import random
import time
from pathlib import Path

from tests.torture.cluster import LEASE, NODES, ClusterSite, finish
from tests.torture.evidence import End
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
        died = {end.epoch: end for end in ends if end.epoch in world.site.deaths}
        rows = tuple(_row(world, number, kill, died.get(kill[1])) for number, kill in enumerate(kills, start=1))
        takeovers = [end.at - world.site.deaths[end.epoch] for end in died.values()]
        never = set(world.site.deaths) - set(died)
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


def _row(world: World[ClusterSite], number: int, kill: _Kill, end: End | None) -> tuple[str, ...]:
    place, epoch, acknowledged, under_way, pause = kill
    shown = (str(number), NODES[place], f"{acknowledged:,}", str(under_way))
    if end is None:
        return (*shown, "-", "-", "was no node yet", "-", f"{pause:.1f}")
    died, since_boot = world.site.deaths[epoch], time.time() - time.monotonic()
    arrivals = [one for place in world.places(list(end.held)) if place is not None for one in world.receiver.arrivals[place]]
    answered = sum(one.status == 200 and one.written and one.at + since_boot <= end.at for one in arrivals)
    again = min((one.at + since_boot - died for one in arrivals if one.at + since_boot > end.at), default=None)
    made = "-" if again is None else f"{again:.2f}"
    return (*shown, str(len(end.held)), str(answered), f"{end.at - died:.2f}", made, f"{pause:.1f}")


def _twice(world: World[ClusterSite]) -> float:
    """The share of deliveries that came twice."""
    answered = [world.receiver.succeeded(place) for place in world.receiver.arrivals]
    return sum(times - 1 for times in answered if times > 1) / len(answered)
