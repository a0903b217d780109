"""A bulk replay whose process is killed in the middle of it, and again: each message gets exactly one round more."""

from pathlib import Path

from tests.conformance.tables import sqlite_tables
from tests.harness import Receiver, ServerProcess, free_port
from tests.integration.api import Api
from tests.integration.waiting import eventually

MESSAGES = 1_200
KILLS = 3


def test_a_bulk_replay_goes_on_after_kills_and_nobody_gets_two_rounds(tmp_path: Path) -> None:
    with Receiver() as receiver, ServerProcess(tmp_path, free_port(), HOOKWRIGHT_RECOVERY_RATE="100") as server:
        api = Api(server, server.token)  # type: ignore[arg-type]  # a server of another kind, with the same address and database
        api.app(uid="a")
        where = api.ok("POST", "/app/a/endpoint", {"url": receiver.url})["id"]
        for batch in range(0, MESSAGES, 100):
            api.ok("POST", "/app/a/msg/batch", {"messages": [{"eventType": "a.b", "payload": {"n": batch + n}} for n in range(100)]})
        eventually(lambda: api.ok("GET", f"/app/a/endpoint/{where}/stats")["success"] == MESSAGES or None)
        task = api.ok("POST", f"/app/a/endpoint/{where}/bulk-replay", {"since": "2020-01-01T00:00:00Z"})["id"]

        def shown() -> dict[str, object]:
            found: dict[str, object] = api.ok("GET", f"/background-task/{task}")
            return found

        for kill in range(KILLS):
            looked = kill * MESSAGES // KILLS // 2  # a start makes up for two seconds at once
            eventually(lambda looked=looked: shown()["data"]["looked"] > looked or None)  # type: ignore[misc, index]
            server.kill()
            assert sent_again(server.database) < MESSAGES, "it was to be killed in the middle"
            server.start()
        ended = eventually(lambda: one if (one := shown())["status"] != "running" else None, seconds=60)
        assert (ended["status"], ended["data"]["messagesSent"]) == ("finished", MESSAGES)  # type: ignore[index]
        eventually(lambda: in_rounds(server.database) == {0: MESSAGES, 1: MESSAGES} or None, seconds=60)
        assert {request.header("webhook-id") for request in receiver.requests} == messages(server.database)
        assert server.stop() == 0


def sent_again(database: Path) -> int:
    return in_rounds(database).get(1, 0)


def in_rounds(database: Path) -> dict[int, int]:
    """How many deliveries there are of each round, live or ended."""
    rows = sqlite_tables(database)
    rounds = [row["round"] for row in (*rows["deliveries"], *rows["outcomes"])]
    return {round: rounds.count(round) for round in sorted(set(rounds))}


def messages(database: Path) -> set[str]:
    return {row["id"] for row in sqlite_tables(database)["messages"]}
