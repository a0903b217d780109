"""A payload that is removed is in no table any more, whatever wrote it there: looked for by its words, in every row."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.conformance.tables import Rows, naming, postgres_tables, sqlite_tables
from tests.harness import Receiver, Server, running_server
from tests.integration.api import fresh
from tests.integration.deliveries import settled

CANARY = "what nobody may read"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Callable[[], Rows]]]:
    """A server, and what reads its tables."""
    settings: dict[str, Any] = {"retry_schedule": "3600"}
    if request.param == "sqlite":
        with running_server(tmp_path, **settings) as server:
            yield server, lambda: sqlite_tables(server.database)
        return
    database: str = request.getfixturevalue("database")
    keys = f"k1:{base64.b64encode(bytes(32)).decode()}"
    with running_server(tmp_path, database=database, encryption_keys=keys, **settings) as server:
        yield server, lambda: postgres_tables(database)


def test_of_an_expunged_payload_no_copy_is_left_in_any_table(place: tuple[Server, Callable[[], Rows]]) -> None:
    server, tables = place
    api = fresh(server)
    api.app(uid="a")
    with Receiver(lambda request: web.Response(body=b"you sent " + request.body, status=500)) as receiver:
        ident = api.ok("POST", "/app/a/endpoint", {"url": receiver.url})["id"]
        body = {"eventType": "a.b", "payload": {"text": CANARY}, "payloadRetentionHours": 1}
        made = api.ok("POST", "/app/a/msg", body, headers={"idempotency-key": "mine"})
        settled(api, ident, 1)
        assert naming(tables(), CANARY) == {"contents": 1, "attempts": 1}
        api.ok("DELETE", f"/app/a/msg/{made['id']}/content")
        rows = tables()
        assert naming(rows, CANARY) == {}
        (message,) = rows["messages"]
        assert message["content_expires_at"] - message["created_at"] == 3_600_000
