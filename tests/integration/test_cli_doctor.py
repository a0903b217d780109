"""`hookwright doctor` and `hookwright migrate`: they tell, and they change nothing that they should not."""

import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hookwright.cli import checks, doctor
from hookwright.cli.client import Client
from hookwright.config import Settings
from hookwright.sandboxes import workers
from hookwright.stores.sqlite.connections import known
from tests.harness import SECRET, Receiver, ServerProcess, free_port, running_server
from tests.integration.cli import Run, beside, hookwright
from tests.integration.test_cli_send import register


def levels(run: Run) -> dict[str, str]:
    return {check["name"]: check["level"] for check in run.value["checks"]}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One that has been served, and is not any more; its keys are beside it."""
    with running_server(tmp_path, jwt_secret=None) as server:
        return server.database


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_sound_installation_has_no_failures(database: Path) -> None:
    run = hookwright(database.parent, "doctor", "--json")
    assert run.status == 0
    assert run.value["ok"] is True
    assert "fail" not in levels(run).values()
    assert {"content", "schema", "backlog", "sync", "disk", "secrets", "open files"} <= set(levels(run))


def test_it_changes_nothing(database: Path) -> None:
    before = contents(database.parent)
    hookwright(database.parent, "doctor")
    assert contents(database.parent) == before


def test_a_log_that_a_kill_left_behind_is_read_and_stays(tmp_path: Path) -> None:
    with Receiver() as receiver, ServerProcess(tmp_path, free_port()) as server:
        register(server, receiver.url, disabled=True)
        server.kill()
        before = {path.name for path in tmp_path.iterdir()}
        log = (tmp_path / "hookwright.db-wal").read_bytes()
        run = hookwright(tmp_path, "doctor", "--json", jwt_secret=SECRET)
    assert levels(run)["content"] == "ok"
    assert levels(run)["endpoints"] == "warn"
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (tmp_path / "hookwright.db-wal").read_bytes() == log


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "doctor")
    assert run.status == 0
    assert not list(tmp_path.iterdir())


def test_beside_a_running_server_it_asks_the_server(tmp_path: Path) -> None:
    with Receiver() as receiver, running_server(tmp_path) as server:
        register(server, receiver.url, disabled=True)
        beside(server, "send", "acme", "x")
        run = beside(server, "doctor", "--json")
    assert run.status == 0
    assert levels(run)["server"] == "ok"
    assert "content" not in levels(run)
    backlog = next(check for check in run.value["checks"] if check["name"] == "backlog")
    assert backlog["found"] == "1 deliveries under way or waiting, 1 of them held"
    assert levels(run)["endpoints"] == "warn"


def test_without_a_server_the_same_backlog_is_read_from_the_file(tmp_path: Path) -> None:
    with Receiver() as receiver, running_server(tmp_path) as server:
        register(server, receiver.url, disabled=True)
        beside(server, "send", "acme", "x")
    run = hookwright(tmp_path, "doctor", "--json", jwt_secret="long enough for a secret of this test")
    backlog = next(check for check in run.value["checks"] if check["name"] == "backlog")
    assert backlog["found"] == "1 deliveries under way or waiting, 1 of them held"
    assert levels(run)["endpoints"] == "warn"


def test_of_a_server_elsewhere_nothing_of_this_machine_is_judged(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running_server(tmp_path) as server:
        run = hookwright(elsewhere, "doctor", "--json", "--url", server.url, "--token", server.token)
    assert run.status == 0
    assert set(levels(run)) == {"server", "clock", "backlog", "endpoints"}
    assert not list(elsewhere.iterdir())


def test_a_server_that_does_not_answer_is_a_failure(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        run = beside(server, "doctor", "--json", port=str(free_port()))
    assert run.status == 1
    assert levels(run)["server"] == "fail"


def test_a_corrupt_page_is_found(database: Path) -> None:
    damaged = bytearray(database.read_bytes())
    for page in range(8, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    database.write_bytes(damaged)
    run = hookwright(database.parent, "doctor", "--json")
    assert run.status == 1
    assert levels(run)["content"] == "fail"


def test_another_programs_database_is_found(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "hookwright.db")
    foreign.execute("create table recipes (name text)")
    foreign.close()
    (tmp_path / "hookwright.db.keys").touch(mode=0o600)
    run = hookwright(tmp_path, "doctor", "--json")
    assert run.status == 1
    assert levels(run)["content"] == "fail"


def test_a_key_file_that_others_can_read_is_found(database: Path) -> None:
    keys = database.with_name("hookwright.db.keys")
    keys.chmod(0o644)
    run = hookwright(database.parent, "doctor", "--json")
    assert run.status == 1
    assert levels(run)["secrets"] == "fail"


def test_a_key_file_that_is_gone_is_found(database: Path) -> None:
    hookwright(database.parent, "token", "create")
    database.with_name("hookwright.db.keys").unlink()
    assert levels(hookwright(database.parent, "doctor", "--json"))["secrets"] == "fail"


def test_unsafe_switches_are_warnings_and_failures_if_one_is_strict(database: Path) -> None:
    opened: dict[str, Any] = {"allow_networks": "10.0.0.0/8"}
    run = hookwright(database.parent, "doctor", "--json", **opened)
    assert (run.status, levels(run)["settings"]) == (0, "warn")
    assert hookwright(database.parent, "doctor", "--strict", **opened).status == 1


def test_a_proxy_that_takes_no_connections_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        url = f"http://user:hunter2@127.0.0.1:{port}"
        assert levels(hookwright(tmp_path, "doctor", "--json", egress_proxy=url))["proxy"] == "ok"
    run = hookwright(tmp_path, "doctor", "--json", egress_proxy=url)
    assert levels(run)["proxy"] == "fail"
    assert "hunter2" not in run.out


def test_a_folder_that_is_not_there_is_found(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "doctor", "--json", "--database", "sqlite:///nowhere/x.db")
    assert levels(run)["folder"] == "fail"


def test_a_network_filesystem_is_told_from_mountinfo(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"40 22 0:50 / {tmp_path} rw,relatime shared:9 - nfs4 server:/x rw\n"
        "41 22 0:51 / /elsewhere rw - tmpfs tmpfs rw\n"
    )
    assert checks.filesystem_of(tmp_path, mounts) == "nfs4"
    assert checks.filesystem_of(Path("/"), mounts) == "ext4"


@pytest.mark.parametrize(("late_ms", "level"), [(None, "ok"), (-5000, "ok"), (59_000, "ok"), (61_000, "warn")])
def test_a_backlog_warns_once_it_is_late(late_ms: int | None, level: str) -> None:
    assert next(iter(checks.check_backlog(5, 0, late_ms, 0))).level == level


@pytest.mark.parametrize(("ahead_ms", "level"), [(-1, "ok"), (4000, "ok"), (6000, "fail")])
def test_a_clock_that_was_set_back_is_found(ahead_ms: int, level: str) -> None:
    now = checks.EARLIEST_NOW + 1
    assert checks.check_clock(now, now + ahead_ms).level == level


def test_a_short_secret_is_a_warning() -> None:
    assert checks.check_secrets(Settings.load(jwt_secret="short")).level == "warn"


def test_migrate_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "migrate", "--dry-run", "--json")
    assert run.value["steps"] == [step.name for step in known()]
    assert not list(tmp_path.iterdir())


def test_migrate_makes_a_database_that_serve_takes(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "migrate")
    assert run.status == 0
    assert "0001_first" in run.err
    assert hookwright(tmp_path, "migrate", "--json").value["steps"] == []
    with running_server(tmp_path):
        pass


def test_migrate_beside_a_server_says_that_it_is_done(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        run = beside(server, "migrate")
    assert run.status == 0
    assert "nothing to do" in run.out


def test_migrate_refuses_another_programs_database(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "hookwright.db")
    foreign.execute("create table recipes (name text)")
    foreign.close()
    run = hookwright(tmp_path, "migrate")
    assert run.status == 1
    assert "another program's" in run.err


def test_before_there_is_data_a_missing_key_file_is_no_loss(tmp_path: Path) -> None:
    hookwright(tmp_path, "migrate")
    run = hookwright(tmp_path, "doctor", "--json")
    assert run.status == 0
    assert levels(run)["secrets"] == "ok"


def test_a_file_that_is_no_database_is_not_blamed_on_its_keys(tmp_path: Path) -> None:
    (tmp_path / "hookwright.db").write_text("not a database, but long enough to have a header\n" * 100)
    run = hookwright(tmp_path, "doctor", "--json")
    assert run.status == 1
    assert levels(run)["content"] == "fail"
    assert "secrets" not in levels(run)


def test_of_many_applications_the_newest_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MOST_APPLICATIONS", 1)
    with Receiver() as receiver, running_server(tmp_path) as server:
        client = Client(server.url, server.token)
        client.call("POST", "app", body=b'{"name": "the oldest"}')
        client.call("POST", "app", body=b'{"name": "in between"}')
        register(server, receiver.url, disabled=True)
        found = list(doctor._ask_backlog(client))
    assert ("endpoints", "warn") in [(check.name, check.level) for check in found]
    assert found[-1].found == "of the 1 newest applications of the organization"


@pytest.mark.parametrize(("mode", "expected"), [(0o600, []), (0o640, ["warn"]), (0o604, ["warn"])])
def test_a_database_that_others_can_read_is_told(tmp_path: Path, mode: int, expected: list[str]) -> None:
    path = tmp_path / "hookwright.db"
    path.touch()
    path.chmod(mode)
    assert [check.level for check in checks.check_sizes(path) if check.name == "privacy"] == expected


def test_whether_transformations_can_be_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_transformations(Settings.load(transformation_workers=0)).level == "ok"
    assert checks.check_transformations(Settings.load()).level == "ok"
    (tmp_path / "worker.py").write_text("raise SystemExit")
    monkeypatch.setattr(workers, "PROGRAM", tmp_path / "worker.py")
    found = checks.check_transformations(Settings.load())
    assert (found.level, "quickjs-ng" in found.found) == ("fail", True)
