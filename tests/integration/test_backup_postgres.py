"""`pg_dump` beside a server under load, as docs/backup.md says it: what a server that starts on the restored copy does."""

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Receiver, running_server
from tests.integration.load import Load
from tests.postgres import Postgres, binaries

KEYS = f"one:{b64encode(bytes(32)).decode()}"


@pytest.fixture
def restored(postgres: Postgres) -> Iterator[str]:
    postgres.execute("create database restored encoding 'UTF8' template template0")
    yield postgres.url("restored")
    postgres.execute("drop database restored with (force)")


def test_a_dump_under_load_has_all_that_was_acknowledged_before_and_delivers_what_was_live(
    tmp_path: Path, database: str, restored: str
) -> None:
    dump = tmp_path / "hookwright.dump"
    with Receiver() as receiver:
        with running_server(tmp_path, database=database, encryption_keys=KEYS) as server:
            load = Load(server, receiver)
            with load.running():
                load.wait_for(200)
                before = list(load.acknowledged)
                run("pg_dump", "--format", "custom", "--file", str(dump), "--dbname", database)
                load.wait_for(len(load.acknowledged) + 50)  # the server goes on
        run("pg_restore", "--exit-on-error", "--dbname", restored, "--no-owner", str(dump))
        with running_server(tmp_path, database=restored, encryption_keys=KEYS) as server:
            api = load.assert_taken_up(server, before)
            assert api.ok("POST", f"/app/{load.app}/msg", {"eventType": "a.b", "payload": {}})["id"] not in before


def run(program: str, *arguments: str) -> None:
    subprocess.run([binaries() / program, *arguments], check=True)
