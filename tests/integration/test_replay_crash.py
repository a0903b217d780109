"""A bulk replay whose process is killed in the middle of it, and again: each message gets exactly one round more."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.tables import Rows, postgres_tables, sqlite_tables
from tests.harness import Receiver, Server, ServerProcess, free_port
from tests.integration.api import Api
from tests.waiting import eventually

pytestmark = pytest.mark.long
MESSAGES = 300
KILLS = 3
SLOWLY = "10"
"""Messages a second: a kill finds the replay in the middle of it, though a start makes up for two seconds at once, and looks are late."""
Place = tuple[ServerProcess, Callable[[], Rows]]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A server in a process of its own, and what reads its tables."""
    if request.param == "sqlite":
        with ServerProcess(tmp_path, free_port(), HOOKWRIGHT_RECOVERY_RATE=SLOWLY) as server:
            yield server, lambda: sqlite_tables(server.database)
        return
    database: str = request.getfixturevalue("database")
    keys = f"k1:{base64.b64encode(bytes(32)).decode()}"
    settings = {"HOOKWRIGHT_DATABASE": database, "HOOKWRIGHT_ENCRYPTION_KEYS": keys, "HOOKWRIGHT_LEASE": "2"}
    with ServerProcess(tmp_path, free_port(), HOOKWRIGHT_RECOVERY_RATE=SLOWLY, **settings) as server:
        yield server, lambda: postgres_tables(database)


def test_a_bulk_replay_goes_on_after_kills_and_nobody_gets_two_rounds(place: Place) -> None:
    server, tables = place
    with Receiver() as receiver:
        api = Api(Server(server.url, server.port, server.token, server.database), server.token)
        api.app(uid="a")
        where = api.ok("POST", "/app/a/endpoint", {"url": receiver.url})["id"]
        for batch in range(0, MESSAGES, 100):
            api.ok("POST", "/app/a/msg/batch", {"messages": [{"eventType": "a.b", "payload": {"n": batch + n}} for n in range(100)]})
        eventually(lambda: api.ok("GET", f"/app/a/endpoint/{where}/stats")["success"] == MESSAGES)
        task = api.ok("POST", f"/app/a/endpoint/{where}/bulk-replay", {"since": "2020-01-01T00:00:00Z"})["id"]

        def shown() -> Any:
            return api.ok("GET", f"/background-task/{task}")

        def looked() -> int:
            return int(shown()["data"]["looked"])

        looked_before = 0
        for kill in range(1, KILLS + 1):
            looked_before = eventually(lambda before=looked_before: now if (now := looked()) > before else None)  # type: ignore[misc]
            server.kill()
            assert 0 < in_rounds(tables()).get(1, 0) < MESSAGES, "it was to be killed in the middle"
            if kill == KILLS:
                server.set(HOOKWRIGHT_RECOVERY_RATE="100000")
            server.start()
        ended = eventually(lambda: one if (one := shown())["status"] != "running" else None)
        assert (ended["status"], ended["data"]["messagesSent"]) == ("finished", MESSAGES)
        eventually(lambda: in_rounds(tables()) == {0: MESSAGES, 1: MESSAGES})
        assert {request.header("webhook-id") for request in receiver.requests} == {row["id"] for row in tables()["messages"]}
        assert server.stop() == 0


def in_rounds(rows: Rows) -> dict[int, int]:
    """How many deliveries there are of each round, live or ended."""
    rounds = [row["round"] for row in (*rows["deliveries"], *rows["outcomes"])]
    return {round: rounds.count(round) for round in sorted(set(rounds))}
