"""Ordered endpoints: kill -9 of the only server over SQLite, and of one of three nodes over PostgreSQL, while receivers fail.

What the order of commits was nobody outside can see, but what it cannot have been: a message that was acknowledged before another was
asked for was committed before it. And it is one order: of any two messages, one arrives after the other has been taken, for good; and
it is the same at all endpoints.
"""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from tests.torture import database
from tests.torture.cluster import LEASE, NODES, ClusterSite, finish
from tests.torture.receiver import Arrival
from tests.torture.sites import FileSite, Site
from tests.torture.traffic import expected
from tests.torture.verdict import Check, Plan, Progress, Verdict, moments, zero
from tests.torture.world import Acknowledged, World, note_death

ORDERED = {"ordered": True}
SETTINGS = {"HOOKWRIGHT_RETRY_SCHEDULE": ",".join(["0.05", "0.1", *["0.2"] * 28])}
"""A message that fails holds up all behind it: there would be little order to see in hours."""
HOLDS_SECONDS = 5.0
"""So long it is tried to stop a server at a moment when it has claimed deliveries and not settled them."""
STALL_SECONDS = 60.0

S = TypeVar("S", bound=Site)


class Kill(NamedTuple):
    """`held`: deliveries that were claimed and not settled; `ran`: there was a process to be killed."""

    what: str
    acknowledged: int
    taken: int
    held: int
    ran: bool


_Done = tuple[list[Kill], list[Check]]


def keep_order(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    (on_file := folder / "file").mkdir()
    (on_nodes := folder / "nodes").mkdir()
    rows, checks = [], []
    for name, carry_out, place in (("SQLite", _on_file, on_file), ("PostgreSQL", _on_nodes, on_nodes)):
        kills, found = carry_out(place, plan, progress)
        rows += [
            (name, str(number), kill.what, f"{kill.acknowledged:,}", f"{kill.taken:,}", str(kill.held))
            for number, kill in enumerate(kills, start=1)
        ]
        checks += [Check(f"{name}: {check.name}", check.found, check.holds) for check in (*found, *count_kills(kills, plan))]
    title = f"ordered endpoints, kill -9 {plan.times} times each, {plan.messages:,} messages"
    return Verdict(title, ("over", "kill", "of", "acknowledged", "taken", "claimed, not settled"), tuple(rows), tuple(checks))


def _on_file(folder: Path, plan: Plan, progress: Progress) -> _Done:
    kills: list[Kill] = []
    with World(FileSite(folder, SETTINGS), plan, endpoint=ORDERED) as world:
        for acknowledged in _strikes(world, plan, random.Random(plan.seed)):
            held, ran = _stop_holding(world.server.process, lambda: database.count(world.server.database, "deliveries where owner <> 0"))
            kills.append(Kill("the server", acknowledged, _taken(world), held, ran))
            world.server.kill()
            note_death(world)
            world.server.start()
            progress(f"SQLite: kill {len(kills)} of {plan.times} at {_progress(kills[-1])}")
        return kills, [*world.finish(), *_checks(world)]


def _on_nodes(folder: Path, plan: Plan, progress: Progress) -> _Done:
    chance = random.Random(plan.seed)
    kills: list[Kill] = []
    with World(ClusterSite(folder, settings=SETTINGS), plan, endpoint=ORDERED) as world:
        for acknowledged in _strikes(world, plan, chance):
            place, pause = chance.choice(_holders(world)), chance.choice((0.0, chance.random() * 2 * LEASE))
            held, ran = _stop_holding(world.site.servers[place].process, partial(_held, world, place))
            kills.append(Kill(NODES[place], acknowledged, _taken(world), held, ran))
            world.site.kill(place)
            time.sleep(pause)
            world.site.servers[place].spawn()
            progress(f"PostgreSQL: kill {len(kills)} of {plan.times}: {NODES[place]} at {_progress(kills[-1])}")
        world.site.wait_all()
        ends, checks = finish(world)
        left = sum(len(ended.end.held) for ended in ends if ended.end.epoch in world.site.deaths)
        return kills, [*checks, Check("deliveries that were taken over from dead nodes", f"{left:,}", left > 0), *_checks(world)]


def _holders(world: World[ClusterSite]) -> list[int]:
    """The nodes that have claimed something; all of them if none does soon."""
    rows: list[Any] = []
    end = time.monotonic() + HOLDS_SECONDS
    while not rows and time.monotonic() < end:
        rows = world.site.evidence.fetch("select distinct holder from deliveries join torture_nodes on epoch = owner")
    return sorted(NODES.index(holder) for (holder,) in rows) or [*range(len(NODES))]


def _held(world: World[ClusterSite], place: int) -> int:
    epoch = world.site.evidence.epoch_of(NODES[place])
    return int(world.site.evidence.fetch("select count(*) from deliveries where owner = $1", epoch)[0][0])


def _progress(kill: Kill) -> str:
    return f"{kill.acknowledged:,} acknowledged and {kill.taken:,} taken, when it had claimed {kill.held}"


def _taken(world: World[S]) -> int:
    """Requests that were answered with 2xx, or are about to be."""
    return world.receiver.count - world.receiver.failed


def _strikes(world: World[S], plan: Plan, chance: random.Random) -> Iterator[int]:
    """The moments to strike at, and how many messages are acknowledged then. Receivers that fail take longer than producers: half of
    the moments are while messages come, the others are spread over all that is taken.
    """
    coming = moments(msgspec.structs.replace(plan, times=plan.times // 2), chance)
    deliveries = msgspec.structs.replace(plan, times=plan.times - len(coming), messages=sum(len(expected(n)) for n in range(plan.messages)))
    taken = moments(deliveries, chance)
    seen, since = (-1, -1), time.monotonic()
    while coming or taken:
        now = world.acknowledged(), _taken(world)
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() - since < STALL_SECONDS, f"nothing moves, at {now}: {world.logs()}"
        if due := next((left for left, reached in zip((coming, taken), now, strict=True) if left and left[0] <= reached), None):
            del due[0]
            time.sleep(chance.random() * 0.05)
            yield now[0]
            since = time.monotonic()
        else:
            time.sleep(0.02)


def _stop_holding(process: "subprocess.Popen[bytes] | None", held: Callable[[], int]) -> tuple[int, bool]:
    """Stop it (SIGSTOP), at a moment when it holds something if there is one soon: how much it holds, and whether it ran at all.

    A process that is killed when it had nothing to do shows nothing.
    """
    end = time.monotonic() + HOLDS_SECONDS
    while process is not None and process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        if (found := held()) or time.monotonic() > end:
            return found, True
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)
    return 0, False


def count_kills(kills: list[Kill], plan: Plan) -> list[Check]:
    """That there were as many as were wanted, and that they hit something."""
    ran, hit = sum(kill.ran for kill in kills), sum(kill.held > 0 for kill in kills)
    return [
        Check("kills of a running process", f"{ran} of {plan.times}", ran == plan.times),
        Check("of these with deliveries claimed and not settled", str(hit), 2 * hit > plan.times),
    ]


def _checks(world: World[S]) -> list[Check]:
    ledger = world.ledger()
    by_endpoint: dict[int, list[tuple[int, Arrival]]] = {}
    for (endpoint, number), arrivals in world.receiver.arrivals.items():
        by_endpoint.setdefault(endpoint, []).extend((number, arrival) for arrival in arrivals)
    back = early = swapped = beside = again = 0
    orders: dict[int, list[int]] = {}
    for endpoint, arrived in by_endpoint.items():
        arrived.sort(key=lambda one: one[1].at)
        order, out_of_place = in_order(number for number, _ in arrived)
        orders[endpoint] = order
        back += out_of_place
        again += len(arrived) - len(order) - out_of_place
        early += not_taken(arrived)
        swapped += against(order, ledger)
        beside += sum(arrival.beside for _, arrival in arrived)
    return [
        Check("messages that came again and were in their place", f"{again:,}", again > 0),
        zero("inversions: a message again after another had come", back),
        zero("gaps: the next message before this one was taken", early),
        zero("not in the order in which they were accepted", swapped),
        zero("not in the order in which another endpoint got them", sum(differing(orders.get(0, []), order) for order in orders.values())),
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


def differing(all_of_them: list[int], some: list[int]) -> int:
    """In how many places these have another order. Who is committed first is the first everywhere."""
    wanted = set(some)
    expected_order = [number for number in all_of_them if number in wanted]
    return sum(one != other for one, other in zip_longest(expected_order, some))
