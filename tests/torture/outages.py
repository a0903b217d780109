"""PostgreSQL stopped in the middle of everything (`-m immediate`: as if it had crashed) and started again, under load."""

import random
import time
from collections import Counter
from pathlib import Path

from tests.torture.cluster import ClusterSite, finish
from tests.torture.verdict import Plan, Progress, Verdict, moments, stated, zero
from tests.torture.world import World

PAUSE_SECONDS = 0.05
"""Less than a producer waits before it asks again, more than a message needs to be made: see `_found`."""

_Outage = tuple[float, float]
"""Unix seconds: when nothing of the database ran any more, and when its start began."""


def stop_database(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    chance = random.Random(plan.seed)
    outages: list[_Outage] = []
    rows = []
    with World(ClusterSite(folder), plan) as world:
        processes = world.site.processes()
        for number, moment in enumerate(moments(plan, chance, until=0.9), start=1):
            world.wait_acknowledged(moment)
            time.sleep(chance.random() * PAUSE_SECONDS)
            world.site.postgres.stop("immediate")
            stopped = time.time()
            time.sleep(0.5 + 4.5 * chance.random())
            starting = time.time()
            world.site.postgres.start()
            began, before = time.monotonic(), world.acknowledged()
            world.wait_acknowledged(min(plan.messages, before + 1))
            again = time.monotonic() - began
            outages.append((stopped, starting))
            rows.append((str(number), f"{before:,}", f"{starting - stopped:.1f}", f"{again:.2f}"))
            progress(f"stop {number} of {plan.times}: {starting - stopped:.1f} s, acknowledging again {again:.2f} s after the start")
        world.drain()
        restarted = sum(now != then for now, then in zip(world.site.processes(), processes, strict=True))
        found = _found(world)
        _, checks = finish(world)
        statuses = _answers(world, outages)
    shown = ", ".join(f"{status or 'none'}: {count:,}" for status, count in sorted(statuses.items()))
    checks += [
        stated("requests during the outages, by answer", shown or "none"),
        zero("of these 2xx", sum(count for status, count in statuses.items() if status // 100 == 2)),
        zero("of these anything but 503", sum(count for status, count in statuses.items() if status != 503)),
        zero("503 without Retry-After", world.summary.without_hint),
        zero("nodes that had to be restarted", restarted),
        stated("commits whose answer was lost, found by the repeated request", found),
    ]
    columns = ("stop", "acknowledged", "down s", "acknowledging again after s")
    title = f"PostgreSQL stopped immediate, {plan.times} times, {plan.messages:,} messages, three nodes"
    return Verdict(title, columns, tuple(rows), tuple(checks))


def _answers(world: World[ClusterSite], outages: list[_Outage]) -> Counter[int]:
    """What was answered to requests that began and ended while there was no database, by status; 0: nothing."""
    asked = [(202, one.began, one.answered) for one in world.ledger().values()]
    asked += [(one.status, one.began, one.answered) for one in world.refusals()]
    return Counter(status for status, began, answered in asked if any(stopped <= began and answered <= start for stopped, start in outages))


def _found(world: World[ClusterSite]) -> int:
    """Messages that are older than the request which was acknowledged: an earlier one had made them, and nobody was told."""
    made = world.site.evidence.created_at()
    return sum(made[one.ident] < one.began - PAUSE_SECONDS for one in world.ledger().values() if one.ident in made)
