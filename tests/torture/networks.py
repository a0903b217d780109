"""The network between the nodes and their database: connections that break, answers that are late, and ways that end in a hole."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.proxy import Proxy, proxied
from tests.torture.cluster import LEASE, NODES, ClusterSite, finish
from tests.torture.verdict import Plan, Progress, Verdict, moments, stated, zero
from tests.torture.world import World

LATE_SECONDS = 0.2


class Network:
    """A proxy for each node, all of them in a thread with its own loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._stack = AsyncExitStack()
        self._proxies: list[Proxy] = []

    def __enter__(self) -> "Network":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reach(self, port: int) -> Sequence[int]:
        """A port for each node, all of which lead to this one."""

        async def lay() -> list[int]:
            ways = [await self._stack.enter_async_context(proxied(port)) for _ in NODES]
            self._proxies = [proxy for proxy, _ in ways]
            return [listening for _, listening in ways]

        laid: list[int] = self._do(lay())
        return laid

    def reset(self, place: int) -> None:
        self._tell(self._proxies[place].reset)

    def delay(self, place: int, seconds: float) -> None:
        self._proxies[place].delay = seconds

    def swallow(self, place: int) -> None:
        self._tell(self._proxies[place].swallow)

    def deliver(self, place: int) -> None:
        self._tell(self._proxies[place].deliver)

    def _tell(self, order: Callable[[], None]) -> None:
        async def carry_out() -> None:
            order()

        self._do(carry_out())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


def break_network(folder: Path, plan: Plan, progress: Progress) -> Verdict:
    chance = random.Random(plan.seed)
    rows = []
    with Network() as network, World(ClusterSite(folder, reach=network.reach), plan) as world:
        processes = world.site.processes()
        for number, moment in enumerate(moments(plan, chance, until=0.9), start=1):
            world.wait_acknowledged(moment)
            places = chance.choice(([0], [1], [2], [0, 1, 2]))
            what = _harm(network, places, chance)
            rows.append((str(number), " ".join(NODES[place] for place in places), what, f"{world.acknowledged():,}"))
            progress(f"harm {number} of {plan.times}: {what}, {rows[-1][1]}")
        world.drain()
        restarted = sum(now != then for now, then in zip(world.site.processes(), processes, strict=True))
        ends, checks = finish(world)
    checks += [stated("nodes that were ended, and came back by themselves", len(ends)), zero("nodes that had to be restarted", restarted)]
    title = f"a bad network before PostgreSQL, {plan.times} times, {plan.messages:,} messages, three nodes"
    return Verdict(title, ("harm", "nodes", "what", "acknowledged afterwards"), tuple(rows), tuple(checks))


def _harm(network: Network, places: list[int], chance: random.Random) -> str:
    """Do something to these nodes' ways to the database, and end it; what it was."""
    kind, seconds = chance.choice(("reset", "late", "hole", "hole and reset")), 0.5 + (LEASE + 2) * chance.random()
    match kind:
        case "reset":
            for _ in range(times := chance.randrange(1, 6)):
                for place in places:
                    network.reset(place)
                time.sleep(chance.random() * LATE_SECONDS)
            return f"connections reset, {times} times"
        case "late":
            late = LATE_SECONDS * chance.random()
            for place in places:
                network.delay(place, late)
            time.sleep(seconds)
            for place in places:
                network.delay(place, 0.0)
            return f"everything {1000 * late:.0f} ms late, for {seconds:.1f} s"
    for place in places:
        network.swallow(place)
    time.sleep(seconds)
    for place in places:
        if kind == "hole and reset":
            network.reset(place)
        network.deliver(place)
    return f"{kind}, after {seconds:.1f} s"
