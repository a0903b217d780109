"""Ordered endpoints: kill -9 of the only server over SQLite, and of one of three nodes over PostgreSQL, while receivers fail.

What the order of commits was nobody outside can see, but what it cannot have been: a message that was acknowledged before another was
asked for was committed before it. And it is one order: of any two messages, one arrives after the other has been taken, for good.
"""

import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from tests.torture.cluster import LEASE, NODES, ClusterSite, finish
from tests.torture.receiver import Arrival
from tests.torture.sites import FileSite, Site
from tests.torture.verdict import Check, Plan, Progress, Verdict, moments, zero
from tests.torture.world import Acknowledged, World, note_death

ORDERED = {"ordered": True}
SETTINGS = {
    "HOOKWRIGHT_RETRY_SCHEDULE": ",".join(["0.05", "0.1", *["0.2"] * 28]),
    "HOOKWRIGHT_BREAKER_PAUSE": "0.05",
    "HOOKWRIGHT_RECOVERY_RATE": "100000",
}
"""A message that fails holds up all behind it: there would be little order to see in hours."""


def keep_order(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    (on_file := folder / "file").mkdir()
    (on_nodes := folder / "nodes").mkdir()
    rows, checks = [], []
    for name, carry_out, place in (("SQLite", _on_file, on_file), ("PostgreSQL", _on_nodes, on_nodes)):
        harms, found = carry_out(place, plan, progress)
        rows += [(name, *harm) for harm in harms]
        checks += [Check(f"{name}: {check.name}", check.found, check.holds) for check in found]
    title = f"ordered endpoints, kill -9 {plan.times} times each, {plan.messages:,} messages"
    return Verdict(title, ("over", "kill", "of", "acknowledged", "open at the receiver"), tuple(rows), tuple(checks))


S = TypeVar("S", bound=Site)
_Done = tuple[list[tuple[str, ...]], list[Check]]


def _on_file(folder: Path, plan: Plan, progress: Progress) -> _Done:
    chance = random.Random(plan.seed)
    rows: list[tuple[str, ...]] = []
    with World(FileSite(folder, SETTINGS), plan, endpoint=ORDERED) as world:
        for number, moment in enumerate(moments(plan, chance), start=1):
            world.wait_acknowledged(moment)
            time.sleep(chance.random() * 0.05)
            rows.append((str(number), "the server", str(world.acknowledged()), str(len(world.receiver.open))))
            world.server.kill()
            note_death(world)
            world.server.start()
            progress(f"SQLite: kill {number} of {plan.times} at {rows[-1][2]} acknowledged")
        return rows, [*world.finish(), *_checks(world)]


def _on_nodes(folder: Path, plan: Plan, progress: Progress) -> _Done:
    chance = random.Random(plan.seed)
    rows: list[tuple[str, ...]] = []
    with World(ClusterSite(folder, settings=SETTINGS), plan, endpoint=ORDERED) as world:
        for number, moment in enumerate(moments(plan, chance), start=1):
            world.wait_acknowledged(moment)
            time.sleep(chance.random() * 0.05)
            place, pause = chance.randrange(len(NODES)), chance.choice((0.0, chance.random() * 2 * LEASE))
            rows.append((str(number), NODES[place], str(world.acknowledged()), str(len(world.receiver.open))))
            world.site.kill(place)
            time.sleep(pause)
            world.site.servers[place].spawn()
            progress(f"PostgreSQL: kill {number} of {plan.times}: {NODES[place]} at {rows[-1][2]} acknowledged")
        world.site.wait_all()
        _, checks = finish(world)
        return rows, [*checks, *_checks(world)]


def _checks(world: World[S]) -> list[Check]:
    ledger = world.ledger()
    by_endpoint: dict[int, list[tuple[int, Arrival]]] = {}
    for (endpoint, number), arrivals in world.receiver.arrivals.items():
        by_endpoint.setdefault(endpoint, []).extend((number, arrival) for arrival in arrivals)
    back = early = swapped = beside = 0
    for arrived in by_endpoint.values():
        arrived.sort(key=lambda one: one[1].at)
        order, again = in_order(number for number, _ in arrived)
        back += again
        early += not_taken(arrived)
        swapped += against(order, ledger)
        beside += sum(arrival.beside for _, arrival in arrived)
    return [
        zero("inversions: a message again after another had come", back),
        zero("gaps: the next message before this one was taken", early),
        zero("not in the order in which they were accepted", swapped),
        zero("sent while another was under way", beside),
    ]


def in_order(numbers: Iterable[int]) -> tuple[list[int], int]:
    """Messages in the order of their first arrivals, and how many came again after another one."""
    order: dict[int, None] = {}
    last, again = None, 0
    for number in numbers:
        again += number != last and number in order
        order[number] = None
        last = number
    return list(order), again


def not_taken(arrived: list[tuple[int, Arrival]]) -> int:
    """How often another message came while the one before it had not been answered with a whole 2xx."""
    taken, last, early = False, None, 0
    for number, arrival in arrived:
        if number != last:
            early += last is not None and not taken
            taken, last = False, number
        taken = taken or (arrival.status == 200 and arrival.written)
    return early


def against(order: list[int], ledger: dict[int, Acknowledged]) -> int:
    """How many came before one that was acknowledged when nobody had asked for them yet."""
    answered, swapped = float("inf"), 0
    for number in reversed(order):
        swapped += answered < ledger[number].asked
        answered = min(answered, ledger[number].answered)
    return swapped
