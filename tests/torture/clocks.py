"""Wall clocks that jump by hours, forwards and backwards, each node's for itself."""

import random
from pathlib import Path
from typing import Any

from tests.harness import ServerProcess
from tests.torture.cluster import NODES, ClusterSite, finish
from tests.torture.skewed import OFFSET, VARIABLE, set_clock
from tests.torture.verdict import Plan, Progress, Verdict, moments
from tests.torture.world import World

HOUR_MS = 3_600_000
FARTHEST_HOURS = 6


class SkewedServer(ServerProcess):
    module = ("tests.torture.skewed",)

    def __init__(self, folder: Path, port: int, **environment: Any) -> None:
        self.clock = folder / "clock"
        self.clock.write_bytes(OFFSET.pack(0))
        super().__init__(folder, port, **environment, **{VARIABLE: str(self.clock)})


class SkewedSite(ClusterSite):
    server_type = SkewedServer


def jump(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    """In the end all clocks go on beyond the farthest, so that whatever was put off by one of them is due.

    A retry is due at a moment. Where the clock was set back before that moment came, it comes later, and not at all while the
    clock stands before it; nothing is forgotten. Where it was set forward it comes at once, and once.
    """
    chance = random.Random(plan.seed)
    rows = []
    with World[ClusterSite](SkewedSite(folder), plan, any_time=True) as world:
        for number, moment in enumerate(moments(plan, chance, until=0.7), start=1):
            world.wait_acknowledged(moment)
            place, hours = chance.randrange(len(NODES)), chance.uniform(-FARTHEST_HOURS, FARTHEST_HOURS)
            _set(world, place, hours)
            rows.append((str(number), NODES[place], f"{hours:+.2f}", f"{world.acknowledged():,}", f"{world.site.count('deliveries'):,}"))
            progress(f"jump {number} of {plan.times}: {NODES[place]} is now {hours:+.2f} h off")
        world.wait_acknowledged(int(plan.messages * 0.8))
        for place in range(len(NODES)):
            _set(world, place, 2 * FARTHEST_HOURS)
        _, checks = finish(world)
    columns = ("jump", "node", "hours off", "acknowledged", "deliveries waiting")
    title = f"clocks jump by hours, {plan.times} times, {plan.messages:,} messages, three nodes"
    return Verdict(title, columns, tuple(rows), tuple(checks))


def _set(world: World[ClusterSite], place: int, hours: float) -> None:
    server = world.site.servers[place]
    assert isinstance(server, SkewedServer)
    set_clock(server.clock, int(hours * HOUR_MS))
