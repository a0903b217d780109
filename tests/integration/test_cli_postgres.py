"""Every command on PostgreSQL: in the database itself, beside running processes, and never with its password on show."""

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookwright.cli import doctor_postgres, reseal
from hookwright.cli.console import Failed
from hookwright.cli.serve import banner
from hookwright.clock import SystemClock
from hookwright.config import Settings
from hookwright.engine.seals import Resealing
from hookwright.runtime.postgres import Node, Server
from hookwright.stores.postgres.store import open_store
from tests.harness import SECRET, Receiver, ServerProcess, free_port, running_server
from tests.harness import Server as Running
from tests.integration.api import Api
from tests.integration.cli import Run, hookwright
from tests.integration.test_cli import one_line
from tests.integration.test_cli_send import register
from tests.pgbouncer import running_pgbouncer
from tests.postgres import Postgres

OLD, NEW = (f"{kid}:{base64.b64encode(letter * 32).decode()}" for kid, letter in (("k1", b"o"), ("k2", b"n")))


def command(folder: Path, database: str, *arguments: str, **settings: str) -> Run:
    known: dict[str, Any] = {"database": database, "jwt_secret": SECRET, "encryption_keys": OLD}
    run = hookwright(folder, *arguments, **known | settings)
    assert not list(folder.iterdir()), "on PostgreSQL nothing is kept in a file"
    return run


def checks(folder: Path, database: str, **settings: str) -> dict[str, dict[str, Any]]:
    run = command(folder, database, "doctor", "--json", **settings)
    assert run.status == int(any(check["level"] == "fail" for check in run.value["checks"]))
    return {check["name"]: check for check in run.value["checks"]}


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("server"), database=database, encryption_keys=OLD) as server:
        yield server


# How a start ends


@pytest.mark.parametrize("arguments", [("serve", "--port", "0"), ("token", "list"), ("migrate",), ("reseal",), ("send", "acme", "x")])
def test_a_database_that_cannot_be_used_is_one_line_and_status_1(tmp_path: Path, postgres: Postgres, arguments: tuple[str, ...]) -> None:
    here = f"127.0.0.1:{postgres.port}"
    causes = {
        f"{here}/nowhere": 'database "nowhere" does not exist',
        f"127.0.0.1:{free_port()}/postgres": "cannot reach the database: Connection refused",
    }
    for place, cause in causes.items():
        run = command(tmp_path, f"postgresql://postgres:hunter2@{place}", *arguments)
        assert run.status == 1
        assert one_line(run.err) == f"hookwright: HOOKWRIGHT_DATABASE=postgresql://{place}: {cause}"


def test_doctor_says_why_a_database_cannot_be_used(tmp_path: Path, postgres: Postgres) -> None:
    found = checks(tmp_path, f"postgresql://nobody:hunter2@127.0.0.1:{postgres.port}/postgres")
    assert found["database"]["level"] == "fail"
    assert 'role "nobody" does not exist' in found["database"]["found"]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(("missing", "named"), [("jwt_secret", "HOOKWRIGHT_JWT_SECRET"), ("encryption_keys", "HOOKWRIGHT_ENCRYPTION_KEYS")])
def test_a_server_without_configured_secrets_is_refused(tmp_path: Path, database: str, missing: str, named: str) -> None:
    run = command(tmp_path, database, "serve", "--port", "0", **{missing: ""})
    assert run.status == 2
    assert f"{named} is not set" in one_line(run.err)
    found = checks(tmp_path, database, **{missing: ""})
    assert named in found["secrets"]["found"]
    assert found["schema"]["found"].startswith("0 of ")


def test_another_programs_tables_are_left_alone(tmp_path: Path, database: str, postgres: Postgres) -> None:
    postgres.execute("create table messages (text text)", database=name_of(database))
    run = command(tmp_path, database, "serve", "--port", "0")
    assert run.status == 1
    assert 'relation "messages" already exists, of another program' in one_line(run.err)


def test_a_schema_of_a_newer_version_is_refused(tmp_path: Path, database: str, postgres: Postgres) -> None:
    command(tmp_path, database, "migrate")
    postgres.execute("insert into hookwright_schema values (99, 'tomorrow', 'contract')", database=name_of(database))
    for arguments in (("serve", "--port", "0"), ("migrate",)):
        run = command(tmp_path, database, *arguments)
        assert run.status == 1
        assert "written by a newer Hookwright (schema 99" in one_line(run.err)


def test_no_server_starts_where_a_commit_may_be_lost_and_doctor_says_so(tmp_path: Path, database: str, postgres: Postgres) -> None:
    postgres.execute(f"alter database {name_of(database)} set synchronous_commit = off")
    run = command(tmp_path, database, "serve", "--port", "0")
    assert run.status == 1
    assert "synchronous_commit is off" in one_line(run.err)
    assert checks(tmp_path, database)["durability"]["level"] == "fail"


def test_without_a_limit_for_transactions_doctor_and_a_start_behind_a_pooler_say_what_to_set(
    tmp_path: Path, database: str, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with running_pgbouncer(postgres) as port:
        pooled = postgres.url(name_of(database), port=port)
        found = checks(tmp_path, pooled, database_pooled="true")["limits"]
        asyncio.run(opened(pooled, pooled=True))
    assert found["level"] == "warn"
    assert "set idle_in_transaction_session_timeout = '5s'" in found["advice"]
    assert "the database's user has no limit of time: idle_in_transaction_session_timeout is 0" in caplog.text


def test_where_transactions_have_a_limit_nothing_is_said_of_it(tmp_path: Path, database: str, postgres: Postgres) -> None:
    assert "limits" not in checks(tmp_path, database)  # a direct session sets its own
    postgres.execute(f"alter database {name_of(database)} set idle_in_transaction_session_timeout = '5s'")
    with running_pgbouncer(postgres) as port:
        assert "limits" not in checks(tmp_path, postgres.url(name_of(database), port=port), database_pooled="true")


async def opened(database: str, *, pooled: bool) -> None:
    async with open_store(database, pooled=pooled, now=SystemClock().now()):
        pass


def test_no_server_starts_where_nothing_is_synced_and_doctor_says_so(tmp_path: Path, database: str, postgres: Postgres) -> None:
    postgres.execute("alter system set fsync = off", "alter system set full_page_writes = off")
    try:
        restart(postgres)
        run = command(tmp_path, database, "serve", "--port", "0")
        said = command(tmp_path, database, "doctor")
    finally:
        postgres.execute("alter system reset all")
        restart(postgres)
    assert run.status == 1
    assert "fsync is off" in one_line(run.err)
    assert said.status == 1
    assert "fsync is off" in said.out
    assert "full_page_writes is off" in said.out


def test_a_database_of_another_encoding_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    postgres.execute("create database ascii encoding 'SQL_ASCII' locale 'C' template template0")
    run = command(tmp_path, postgres.url("ascii"), "serve", "--port", "0")
    assert run.status == 1
    assert "encoding is SQL_ASCII" in one_line(run.err)
    assert checks(tmp_path, postgres.url("ascii"))["database"]["level"] == "fail"


def test_a_server_that_is_too_old_is_refused() -> None:
    assert "PostgreSQL 12.9 is too old" in Server(120_009, "12.9", "UTF8", "on", "on", "on", "5s").unusable()[0]
    assert not Server(130_000, "13.0", "UTF8", "on", "on", "on", "5s").unusable()


def test_a_server_that_does_not_tell_what_is_under_way_is_refused(tmp_path: Path, database: str, postgres: Postgres) -> None:
    postgres.execute(f"alter database {name_of(database)} set track_activities = off")
    run = command(tmp_path, database, "serve", "--port", "0")
    assert run.status == 1
    assert "track_activities is off" in one_line(run.err)
    assert checks(tmp_path, database)["database"]["level"] == "fail"


# Side by side with servers


def test_neither_the_banner_nor_the_log_shows_the_password(tmp_path: Path, database: str) -> None:
    secret = database.replace("postgres@", "postgres:hunter2@")
    shown = banner(Settings.load(database=secret, jwt_secret=SECRET, encryption_keys=OLD), 8071)
    assert f"Data       {database.replace('postgres@', '')}" in shown
    assert "Secrets    configured" in shown
    with ServerProcess(tmp_path, free_port(), HOOKWRIGHT_DATABASE=secret, HOOKWRIGHT_ENCRYPTION_KEYS=OLD) as server:
        server.stop()
    assert "listening" in server.log()
    assert "hunter2" not in shown + server.log()


def test_a_token_made_in_the_database_is_good_at_a_running_server(tmp_path: Path, database: str, running: Running) -> None:
    made = command(tmp_path, database, "token", "create", "--json", "--name", "beside").value
    assert Api(running, made["token"]).ok("GET", "/app")["data"] == []
    assert [key["id"] for key in command(tmp_path, database, "token", "list", "--json").value] == [made["id"]]
    assert command(tmp_path, database, "token", "revoke", made["id"]).status == 0
    assert command(tmp_path, database, "token", "list", "--json").value[0]["revokedAt"]


def test_tokens_need_no_secret(tmp_path: Path, database: str) -> None:
    run = command(tmp_path, database, "token", "create", "--quiet", jwt_secret="", encryption_keys="")
    assert run.status == 0, run.err
    assert run.out.startswith("hw_")


def test_a_message_goes_to_the_server_that_is_at_work(tmp_path: Path, database: str, running: Running) -> None:
    with Receiver() as receiver:
        register(running, receiver.url)
        run = command(tmp_path, database, "send", "acme", "x", "--wait", "--json", port=str(running.port))
    assert run.status == 0, run.err
    assert "delivering from here" not in run.err
    assert run.value["deliveries"][0]["status"] == "success"


def test_a_message_for_a_server_that_listens_elsewhere_says_so(tmp_path: Path, database: str, running: Running) -> None:
    run = command(tmp_path, database, "send", "acme", "x", port=str(free_port()))
    assert run.status == 1
    assert "processes are at work on" in one_line(run.err)
    assert "--url" in run.err


def test_a_message_that_nobody_would_send_is_delivered_from_here(tmp_path: Path, database: str) -> None:
    served = tmp_path / "served"
    served.mkdir()
    with Receiver() as receiver:
        with running_server(served, database=database, encryption_keys=OLD) as server:
            register(server, receiver.url)
        run = hookwright(
            served, "send", "acme", "x", "--json", database=database, jwt_secret=SECRET, encryption_keys=OLD, allow_networks="127.0.0.0/8"
        )
    assert run.status == 0, run.err
    assert "delivering from here" in run.err
    assert run.value["deliveries"][0]["status"] == "success"


def test_a_reseal_beside_a_running_server_changes_nothing_for_it(tmp_path: Path, database: str, tmp_path_factory: Any) -> None:
    both = f"{NEW},{OLD}"
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    with Receiver() as receiver:
        with running_server(first, database=database, encryption_keys=OLD) as server:
            register(server, receiver.url, headers={"x-own": "mine"})
        with running_server(second, database=database, encryption_keys=both) as server:
            run = command(tmp_path, database, "reseal", encryption_keys=both)
            assert run.status == 0, run.err
            assert "2 of 2 sealed anew with k2 (before: 2 under k1)" in run.out
            assert "It can leave HOOKWRIGHT_ENCRYPTION_KEYS" in run.out
            Api(server, server.token).ok("POST", "/app/acme/msg", {"eventType": "a", "payload": {}})
            (request,) = receiver.wait_for(1)
    assert request.header("x-own") == "mine"
    assert checks(tmp_path, database, encryption_keys=NEW)["seals"]["found"] == "all 2 open, under k2"


def test_a_reseal_that_others_undo_says_which_key_they_seal_with(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def undone(*_: object, **__: object) -> Resealing:
        return Resealing(looked=1, renewed=Counter(k1=1))

    monkeypatch.setattr(reseal, "_pass", undone)
    settings = Settings.load(database=database, jwt_secret=SECRET, encryption_keys=f"{NEW},{OLD}")
    with pytest.raises(Failed, match="processes go on sealing with k1: restart them with k2 first"):
        asyncio.run(reseal._reseal(settings, quiet=True))


# What is told


def test_doctor_looks_through_a_pooler_too(tmp_path: Path, database: str, postgres: Postgres) -> None:
    command(tmp_path, database, "migrate")
    with running_pgbouncer(postgres) as port:
        through = postgres.url(name_of(database), port=port)
        found = checks(tmp_path, through, database_pooled="true")
        made = command(tmp_path, through, "token", "create", "--quiet", database_pooled="true")
    assert {found[name]["level"] for name in ("database", "durability", "schema", "seals", "backlog")} == {"ok"}
    assert made.out.startswith("hw_"), made.err


def test_a_migration_is_shown_before_it_is_made(tmp_path: Path, database: str) -> None:
    shown = command(tmp_path, database, "migrate", "--dry-run")
    assert shown.status == 0
    assert "has no schema yet. To do, each step whole or not at all:\n  0001_first (expand): the first schema\n" in shown.out
    assert checks(tmp_path, database)["schema"]["found"].startswith("0 of ")
    done = command(tmp_path, database, "migrate")
    assert "0001_first" in done.err
    assert done.out.endswith("done.\n")
    again = command(tmp_path, database, "migrate", "--json")
    assert (again.value["steps"], again.value["done"]) == ([], True)


def test_doctor_shows_the_processes_and_the_backlog(tmp_path: Path, database: str, running: Running) -> None:
    register(running, "https://example.com/", disabled=True)
    Api(running, running.token).ok("POST", "/app/acme/msg", {"eventType": "a", "payload": {}})
    found = checks(tmp_path, database)
    assert found["nodes"]["level"] == "ok"
    assert found["nodes"]["found"].startswith("1 at work: node ")
    assert found["backlog"]["found"] == "1 deliveries under way or waiting, 1 of them held"
    assert found["durability"]["found"] == "fsync = on, synchronous_commit = on, full_page_writes = on"
    assert found["seals"]["found"] == "all 1 open, under k1"
    assert not {"folder", "disk", "sync", "SQLite", "log", "content", "lock"} & set(found)


def test_doctor_warns_when_nobody_is_at_work_and_changes_nothing(tmp_path: Path, database: str) -> None:
    assert checks(tmp_path, database)["schema"]["found"].startswith("0 of ")
    command(tmp_path, database, "migrate")
    assert checks(tmp_path, database)["nodes"]["level"] == "warn"


@pytest.mark.parametrize(
    ("nodes", "level", "said"),
    [
        ([(1, 900, 3), (2, 100, 0)], "ok", "2 at work: node 1 (seen 0.9 s ago, holds 3), node 2"),
        ([(1, 900, 3), (2, 11_000, 5)], "ok", "1 at work: node 1"),
        ([(1, 900, 3), (2, 60_000, 5)], "warn", "nobody takes over node 2 (seen 60.0 s ago, holds 5)"),
        ([(2, 60_000, 5)], "warn", "none is at work; silent: node 2"),
    ],
)
def test_leases_are_judged_by_how_long_a_node_was_silent(nodes: list[tuple[int, int, int]], level: str, said: str) -> None:
    check = doctor_postgres.check_nodes(tuple(Node(*node) for node in nodes), 10_000)
    assert check.level == level
    assert said in check.found


def test_clocks_that_differ_are_told() -> None:
    now = 1_900_000_000_000
    assert doctor_postgres.check_clocks(now, now + 1_000).level == "ok"
    assert "7.0 s behind the database's" in doctor_postgres.check_clocks(now, now + 7_000).found
    assert "7.0 s ahead of the database's" in doctor_postgres.check_clocks(now, now - 7_000).found


def name_of(database: str) -> str:
    return database.rpartition("/")[2]


def restart(postgres: Postgres) -> None:
    postgres.stop("fast")
    postgres.start()
