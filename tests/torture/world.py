"""One torture: servers, a producer and a receiver at work, and what must be true when it is over.

What may be delivered twice is not estimated but read: after the end of a server, or of a node, its database says which
deliveries were not settled, and the receiver says which of these it has answered with 2xx. Exactly these are sent again.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from bench.processes import cpu_seconds
from bench.world import call
from tests.harness import ServerProcess
from tests.torture import database
from tests.torture.producer import Summary, Work
from tests.torture.receiver import Place, TortureReceiver
from tests.torture.sites import FileSite, Site
from tests.torture.traffic import ENDPOINTS, KINDS, expected
from tests.torture.verdict import Check, Plan, stated, zero

STALL_SECONDS = 60.0
S = TypeVar("S", bound=Site)


class Acknowledged(NamedTuple):
    """Unix seconds: `began` is when the request was made that was answered 202, `answered` when it was; `asked`: when the first request
    for this message was made.
    """

    ident: str
    began: float
    answered: float
    asked: float


class Refused(NamedTuple):
    """`status` is 0 where there was no answer."""

    status: int
    began: float
    answered: float


class World(Generic[S]):
    def __init__(
        self, site: S, plan: Plan, *, connections: int = 32, any_time: bool = False, endpoint: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """`any_time`: signatures are good whatever the time is that they name. `endpoint`: more about every endpoint."""
        self._more = dict(endpoint)
        self.site, self.plan = site, plan
        self.receiver = TortureReceiver(plan.seed, any_time=any_time)
        self.explained: Counter[Place] = Counter()
        self._connections = connections
        self._notes = tempfile.TemporaryDirectory(prefix="ledger-")  # elsewhere: the server's disk may be filled
        self._ledger, self._refusals = (Path(self._notes.name) / name for name in ("ledger", "refusals"))
        self._endpoints: dict[str, int] = {}
        self._summary: Summary | None = None

    @property
    def server(self) -> ServerProcess:
        return self.site.servers[0]

    def __enter__(self) -> "World[S]":
        self.receiver.__enter__()
        try:
            self.site.start()
            self._path = f"/api/v1/app/{self._create('/api/v1/app', {'name': 'torture'})['id']}"
            for kind in KINDS:
                self._create("/api/v1/event-type", {"name": kind, "description": kind})
            secrets = []
            for place, wanted in enumerate(ENDPOINTS):
                made = self._create(f"{self._path}/endpoint", {"url": self.receiver.url(place), "filterTypes": wanted} | self._more)
                self._endpoints[made["id"]] = place
                secrets.append(self._call("GET", f"{self._path}/endpoint/{made['id']}/secret")["key"])
            self.receiver.trust(secrets)
        except BaseException:
            self.site.__exit__(None, None, None)
            self.receiver.__exit__()
            raise
        self._produce()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._producer.kill()
        self._waiting.join()
        self.site.__exit__(kind, error, traceback)
        self.receiver.__exit__(kind, error, traceback)
        self._notes.cleanup()

    def _create(self, path: str, body: Any) -> dict[str, Any]:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        status, answered = call(self.server.port, method, path, body, self.server.token)
        assert status // 100 == 2, f"{method} {path}: {status} {answered!r}"
        decoded: dict[str, Any] = msgspec.json.decode(answered)
        return decoded

    def _produce(self) -> None:
        for notes in (self._ledger, self._refusals):
            notes.touch()
        work = Work(
            ports=tuple(server.port for server in self.site.servers), path=f"{self._path}/msg", token=self.server.token,
            seed=self.plan.seed, messages=self.plan.messages, connections=self._connections, rate=self.plan.rate,
            patience=self.site.patience, ledger=str(self._ledger), refusals=str(self._refusals),
        )  # fmt: skip
        self._producer = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.producer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip

        def wait() -> None:
            out, _ = self._producer.communicate(msgspec.json.encode(work))
            if out:
                self._summary = msgspec.json.decode(out, type=Summary)

        self._waiting = threading.Thread(target=wait, name="producer")
        self._waiting.start()

    # Watching

    def ledger(self) -> dict[int, Acknowledged]:
        """Acknowledged messages, by number."""
        return {int(number): Acknowledged(ident, *map(float, times)) for number, ident, *times in _lines(self._ledger)}

    def refusals(self) -> list[Refused]:
        """Every request that was not acknowledged."""
        return [Refused(int(status), float(began), float(answered)) for status, began, answered in _lines(self._refusals)]

    def acknowledged(self) -> int:
        return self._ledger.read_bytes().count(b"\n")

    def wait_acknowledged(self, count: int) -> None:
        """Until that many are. Fails when nothing is for a minute."""
        seen, since = -1, time.monotonic()
        while (now := self.acknowledged()) < count:
            if now != seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() - since < STALL_SECONDS, f"nothing acknowledged for a minute, {now} of {count}: {self.logs()}"
            time.sleep(0.01)

    def first_arrival(self, since: float) -> float | None:
        """Seconds from `since` (monotonic) to the first arrival; None when nothing comes for ten."""
        end = time.monotonic() + 10
        while self.receiver.first_at is None and time.monotonic() < end:
            time.sleep(0.002)
        return None if self.receiver.first_at is None else self.receiver.first_at - since

    def cpu_seconds(self) -> float:
        """What the server's process has used since it was started: a measure of a start that a busy machine does not distort."""
        assert self.server.process is not None
        return cpu_seconds(self.server.process.pid)

    def logs(self) -> str:
        return "\n".join(server.log() for server in self.site.servers)

    def numbers(self) -> dict[str, int]:
        """Of the messages that have arrived somewhere, by their ids."""
        return {arrival.webhook_id: place[1] for place, arrivals in list(self.receiver.arrivals.items()) for arrival in arrivals}

    def places(self, rows: list[tuple[str, str]], numbers: dict[str, int]) -> list[Place]:
        """Deliveries by the ids of endpoint and message, those left out whose message arrived nowhere."""
        return [(self._endpoints[endpoint], numbers[message]) for endpoint, message in rows if message in numbers]

    def drain(self) -> None:
        """Until all is acknowledged and nothing is live. Fails when neither changes for a minute."""
        seen, since = (-1, -1), time.monotonic()
        while self._waiting.is_alive() or self.site.count("deliveries"):
            now = (self.acknowledged(), self.receiver.count)
            if now != seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() - since < STALL_SECONDS, f"{self.site.count('deliveries')} deliveries do not move: {self.logs()}"
            time.sleep(0.1)
        assert self._summary is not None, f"the producer failed: {self.logs()}"

    # Judging

    def checks(self) -> list[Check]:
        """To be called when the servers have stopped for good."""
        receiver, ledger, summary, messages = self.receiver, self.ledger(), self.summary, self.plan.messages
        places = [(endpoint, number) for number in range(messages) for endpoint in expected(number)]
        answered = {place: receiver.succeeded(place) for place in receiver.arrivals}
        lost = sum(answered.get(place, 0) == 0 for place in places)
        twice = sum(max(0, times - 1) for times in answered.values())
        unexplained = sum(max(0, times - 1 - self.explained[place]) for place, times in answered.items())
        ids = {number: acknowledged.ident for number, acknowledged in ledger.items()}
        wrong_ids = sum(
            any(arrival.webhook_id != ids.get(number) for arrival in arrivals) for (_, number), arrivals in receiver.arrivals.items()
        )
        stored, sound = self.site.count("messages"), self.site.integrity()
        return [
            Check("acknowledged", f"{len(ledger):,} of {messages:,}", len(ledger) == messages),
            stated("requests repeated by the producer", summary.repeated),
            Check("unexpected answers", "; ".join(summary.unexpected) or "0", not summary.unexpected),
            Check("stored messages (a repeated request makes no second one)", f"{stored:,}", stored == messages),
            stated("deliveries expected", len(places)),
            Check("arrivals", f"{receiver.count:,}, {receiver.failed:,} answered badly on purpose", True),
            zero("lost", lost),
            Check("delivered twice", f"{twice:,} ({100 * twice / len(places):.3f} %)", True),
            stated("may come twice: not settled when their server or node ended", sum(self.explained.values())),
            zero("delivered twice without such a reason", unexplained),
            zero("at an endpoint that did not want it", len(set(receiver.arrivals) - set(places))),
            zero("deliveries with another webhook-id than was acknowledged", wrong_ids),
            Check("forged or garbled", f"{receiver.forged}, {receiver.garbled}", receiver.forged == receiver.garbled == 0),
            Check("integrity", sound, sound == "ok"),
        ]

    def finish(self) -> list[Check]:
        """Drain, stop, judge."""
        self.drain()
        statuses = [server.stop() for server in self.site.servers]
        return [*self.checks(), Check("exit status at the end", ", ".join(map(str, statuses)), not any(statuses))]

    @property
    def summary(self) -> Summary:
        assert self._summary is not None
        return self._summary


def note_death(world: World[FileSite]) -> int:
    """After the only server's end, before its next start: how many deliveries were answered with 2xx and are not settled,
    beyond those that an earlier death had left behind.
    """
    assert world.receiver.wait_quiet(), "the receiver still has connections of a dead server"
    new = 0
    for place in world.places(database.live_after_crash(world.server.database), world.numbers()):
        if answered := world.receiver.succeeded(place):
            new += answered - world.explained[place]
            world.explained[place] = answered
    return new


def _lines(path: Path) -> list[list[str]]:
    return [line.split(" ") for line in path.read_text().rpartition("\n")[0].splitlines()]
