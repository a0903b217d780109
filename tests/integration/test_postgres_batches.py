"""Batches for an application that was deleted where this process has not heard of it yet."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import running_server
from tests.integration.api import NOT_FOUND, Api, fresh
from tests.integration.postgres import asked

PART = 100
KEYS = "k1:" + base64.b64encode(bytes(32)).decode()
DELETE = """
create function delete_application() returns trigger language plpgsql as
  $$ begin update applications set deleted_at = 1 where id = new.application; return null; end $$
"""
DELETE_AT_LAST = """
create trigger t after insert on messages for each row when (new.event_id = 'last') execute function delete_application()
"""


@pytest.fixture
def api(tmp_path: Path, database: str) -> Iterator[Api]:
    with running_server(tmp_path, database=database, encryption_keys=KEYS) as server:
        api = fresh(server)
        api.app(uid="a")
        yield api


def batch(api: Api, *event_ids: str) -> httpx.Response:
    messages: list[dict[str, Any]] = [{"eventType": "a.b", "payload": {}, "eventId": one} for one in event_ids]
    return api("POST", "/app/a/msg/batch", {"messages": messages}, headers={"idempotency-key": "k"})


def test_what_was_kept_of_a_batch_is_remembered_and_the_rest_is_not(api: Api, database: str) -> None:
    asked(database, DELETE)
    asked(database, DELETE_AT_LAST)
    names = [*(f"e{n}" for n in range(PART - 1)), "last", "beyond"]
    first = batch(api, *names)
    assert first.status_code == 207
    *kept, beyond = first.json()["data"]
    assert [one["status"] for one in kept] == [202] * PART
    assert (beyond["status"], beyond["code"]) == NOT_FOUND
    asked(database, "update applications set deleted_at = null")
    again = batch(api, *names)
    assert again.status_code == 202
    assert [one["id"] for one in again.json()["data"][:PART]] == [one["id"] for one in kept]
