"""Three nodes over one PostgreSQL that is this torture's own, with durable commits, and what it noted of them."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from hookwright.stores.postgres.store import open_store
from hookwright.vault import format_keys, generate_keys
from tests.harness import ServerProcess, free_port
from tests.postgres import Postgres, running_postgres
from tests.torture.evidence import End, Evidence
from tests.torture.receiver import Place
from tests.torture.sites import LOGGED
from tests.torture.verdict import Check, zero
from tests.torture.world import World

NODES = ("node1", "node2", "node3")
DATABASE = "torture"
LEASE = 3.0
START_SECONDS = 60.0


class ClusterSite:
    """`reach` says at which port a node finds the database's: where there is something between them."""

    server_type: type[ServerProcess] = ServerProcess

    def __init__(
        self, folder: Path, *, lease: float = LEASE, reach: Callable[[int], Sequence[int]] | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings or {}
        self.folder, self.lease, self.patience = folder, lease, lease + 2
        self.servers: list[ServerProcess] = []
        self.deaths: dict[int, float] = {}
        self._reach = reach
        self._stack = ExitStack()

    def start(self) -> None:
        self.postgres: Postgres = self._stack.enter_context(running_postgres())
        self.postgres.execute(*(f"create role {name} superuser login" for name in NODES), f"create database {DATABASE}")
        self.evidence = Evidence(self.postgres.url(DATABASE))
        environment = LOGGED | {"HOOKWRIGHT_ENCRYPTION_KEYS": format_keys(generate_keys(os.urandom)), "HOOKWRIGHT_LEASE": str(self.lease)}
        environment |= self._settings
        ports = self._reach(self.postgres.port) if self._reach else [self.postgres.port] * len(NODES)
        for name, port in zip(NODES, ports, strict=True):
            (folder := self.folder / name).mkdir()
            url = f"postgresql://{name}@127.0.0.1:{port}/{DATABASE}"
            self.servers.append(self.server_type(folder, free_port(), HOOKWRIGHT_DATABASE=url, **environment))
        asyncio.run(_migrate(self.postgres.url(DATABASE)))
        self.evidence.install()
        for server in self.servers:
            server.spawn()
        self.wait_all()

    def wait_all(self) -> None:
        """Until every node answers."""
        for server in self.servers:
            server.wait(START_SECONDS)

    def kill(self, place: int) -> int:
        """kill -9; the epoch of the node that died, or 0 when it was none yet."""
        self.servers[place].kill()
        died = time.time()
        epoch = self.evidence.epoch_of(NODES[place])
        if epoch in self.deaths:
            return 0
        if epoch:
            self.deaths[epoch] = died
        return epoch

    def processes(self) -> list[int]:
        """Of the nodes, in their order; 0 for one that has ended."""
        return [server.process.pid if server.process and server.process.poll() is None else 0 for server in self.servers]

    def count(self, table: str) -> int:
        return self.evidence.count(table)

    def integrity(self) -> str:
        """Whether every index agrees with its table."""
        self.evidence.fetch("create extension if not exists amcheck")
        self.evidence.fetch(
            "select bt_index_check(c.oid, true) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam"
            " where a.amname = 'btree' and c.relkind = 'i' and i.indisvalid"
        )
        return "ok"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for server in self.servers:
            server.__exit__(kind, error, traceback)
        self._stack.close()


async def _migrate(url: str) -> None:
    """The schema, so that there is something to watch before there are nodes."""
    async with open_store(url, now=time.time_ns() // 1_000_000):
        pass


class Ended(NamedTuple):
    """`places`: what the node had not settled, as far as anybody was told of its message; `answered`: of these, how many
    had been answered with 2xx by then; `again`: when one of them first arrived afterwards (Unix seconds).
    """

    end: End
    places: list[Place]
    answered: int
    again: float | None


def explain(world: World[ClusterSite]) -> list[Ended]:
    """Note in `world` what may have come twice; every end of a node so far.

    What a node had not settled when it was ended is made again by another. It comes twice if it had been answered before,
    or, where the old process lived on, if that one's request was still under way.
    """
    numbers, since_boot, ended = world.numbers(), time.time() - time.monotonic(), []
    for end in world.site.evidence.ends():
        dead, answered, again = end.epoch in world.site.deaths, 0, None
        places = world.places(list(end.held), numbers)
        for place in places:
            arrivals = [(one.at + since_boot, one.status == 200 and one.written) for one in world.receiver.arrivals.get(place, ())]
            good = sum(whole and at <= end.at for at, whole in arrivals)
            answered += good > 0
            if not dead or good > world.explained[place]:
                world.explained[place] += 1
            again = min((at for at, _ in arrivals if at > end.at and (again is None or at < again)), default=again)
        ended.append(Ended(end, places, answered, again))
    return ended


def finish(world: World[ClusterSite]) -> tuple[list[Ended], list[Check]]:
    """Drain, explain, stop, judge."""
    world.drain()
    ends = explain(world)
    checks = world.finish()
    return ends, [*checks, zero("settled by another than the node that owned it, or after its end", world.site.count("torture_breaches"))]
