"""One torture: a server, a producer and a receiver at work, and what must be true when it is over.

What may be delivered twice is not estimated but read: after each death of the server, its database says which deliveries
are not settled, and the receiver says which of these it has answered with 2xx. Exactly these are sent again.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from bench.processes import cpu_seconds
from bench.world import call
from tests.harness import ServerProcess, free_port
from tests.torture import database
from tests.torture.producer import Summary, Work
from tests.torture.receiver import Place, TortureReceiver
from tests.torture.traffic import ENDPOINTS, KINDS, expected

SCHEDULE = ",".join(["0.2", "0.5", *["1"] * 28])
STALL_SECONDS = 60.0


class Check(msgspec.Struct, frozen=True):
    name: str
    found: str
    holds: bool


class World:
    def __init__(self, folder: Path, *, seed: int, messages: int, rate: float, connections: int = 32) -> None:
        self.seed, self.messages = seed, messages
        self.receiver = TortureReceiver(seed)
        self.server = ServerProcess(folder, free_port(), HOOKWRIGHT_RETRY_SCHEDULE=SCHEDULE, HOOKWRIGHT_LOG_FORMAT="json")
        self._rate, self._connections = rate, connections
        self._notes = tempfile.TemporaryDirectory(prefix="ledger-")  # elsewhere: the server's disk may be filled
        self._ledger = Path(self._notes.name) / "ledger"
        self._endpoints: dict[str, int] = {}
        self._summary: Summary | None = None
        self._unsettled: dict[Place, int] = {}

    def __enter__(self) -> "World":
        self.receiver.__enter__()
        self.server.start()
        self._path = f"/api/v1/app/{self._create('/api/v1/app', {'name': 'torture'})['id']}"
        for kind in KINDS:
            self._create("/api/v1/event-type", {"name": kind, "description": kind})
        secrets = []
        for place, wanted in enumerate(ENDPOINTS):
            made = self._create(f"{self._path}/endpoint", {"url": self.receiver.url(place), "filterTypes": wanted})
            self._endpoints[made["id"]] = place
            secrets.append(self._call("GET", f"{self._path}/endpoint/{made['id']}/secret")["key"])
        self.receiver.trust(secrets)
        self._produce()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._producer.kill()
        self._waiting.join()
        self.server.__exit__(kind, error, traceback)
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
        self._ledger.touch()
        work = Work(
            port=self.server.port, path=f"{self._path}/msg", token=self.server.token, seed=self.seed, messages=self.messages,
            connections=self._connections, rate=self._rate, ledger=str(self._ledger),
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

    def ledger(self) -> dict[int, str]:
        """Acknowledged messages: number and id."""
        whole = self._ledger.read_text().rpartition("\n")[0]
        return {int(number): ident for number, _, ident in (line.partition(" ") for line in whole.splitlines())}

    def acknowledged(self) -> int:
        return self._ledger.read_bytes().count(b"\n")

    def wait_acknowledged(self, count: int) -> None:
        """Until that many are. Fails when nothing is for a minute."""
        seen, since = -1, time.monotonic()
        while (now := self.acknowledged()) < count:
            if now != seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() - since < STALL_SECONDS, f"nothing acknowledged for a minute, {now} of {count}: {self.server.log()}"
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

    def note_death(self) -> int:
        """After the server's end, before the next start: how many deliveries were answered with 2xx and are not settled,
        beyond those that an earlier death had left behind.
        """
        assert self.receiver.wait_quiet(), "the receiver still has connections of a dead server"
        numbers = {arrival.webhook_id: place[1] for place, arrivals in list(self.receiver.arrivals.items()) for arrival in arrivals}
        new = 0
        for place in database.live_after_crash(self.server.database, self._endpoints, numbers):
            answered = self.receiver.succeeded(place)
            new += answered - self._unsettled.get(place, 0)
            if answered:
                self._unsettled[place] = answered
        return new

    def drain(self) -> None:
        """Until all is acknowledged and nothing is live. Fails when neither changes for a minute."""
        self._waiting.join(STALL_SECONDS + self.messages / self._rate)
        assert self._summary is not None, f"the producer did not end: {self.server.log()}"
        seen, since = (-1, -1), time.monotonic()
        while live := database.count(self.server.database, "deliveries"):
            if (live, self.receiver.count) != seen:
                seen, since = (live, self.receiver.count), time.monotonic()
            assert time.monotonic() - since < STALL_SECONDS, f"{live} deliveries do not move: {self.server.log()}"
            time.sleep(0.05)

    # Judging

    def checks(self) -> list[Check]:
        """To be called when the server has stopped for good."""
        receiver, ledger, summary = self.receiver, self.ledger(), self._summary
        assert summary is not None
        places = [(endpoint, number) for number in range(self.messages) for endpoint in expected(number)]
        answered = {place: receiver.succeeded(place) for place in receiver.arrivals}
        lost = sum(answered.get(place, 0) == 0 for place in places)
        twice = sum(max(0, times - 1) for times in answered.values())
        unexplained = sum(times - 1 > self._unsettled.get(place, 0) for place, times in answered.items())
        strays = len(set(receiver.arrivals) - set(places))
        wrong_ids = sum(
            any(arrival.webhook_id != ledger.get(number) for arrival in arrivals) for (_, number), arrivals in receiver.arrivals.items()
        )
        stored = database.count(self.server.database, "messages")
        sound = database.integrity(self.server.database)
        return [
            Check("acknowledged", f"{len(ledger)} of {self.messages}", len(ledger) == self.messages),
            Check("requests repeated by the producer", str(summary.repeated), True),
            Check("unexpected answers", "; ".join(summary.unexpected) or "0", not summary.unexpected),
            Check("stored messages (a repeated request makes no second one)", str(stored), stored == self.messages),
            Check("deliveries expected", str(len(places)), True),
            Check("arrivals", f"{receiver.count}, {receiver.failed} answered badly on purpose", True),
            Check("lost", str(lost), lost == 0),
            Check("delivered twice", f"{twice}; answered but not settled at a death: {sum(self._unsettled.values())}", True),
            Check("delivered twice without such a reason", str(unexplained), unexplained == 0),
            Check("at an endpoint that did not want it", str(strays), strays == 0),
            Check("deliveries with another webhook-id than was acknowledged", str(wrong_ids), wrong_ids == 0),
            Check("forged or garbled", f"{receiver.forged}, {receiver.garbled}", receiver.forged == receiver.garbled == 0),
            Check("integrity_check", sound, sound == "ok"),
        ]

    @property
    def summary(self) -> Summary:
        assert self._summary is not None
        return self._summary
