"""`hookwright backup` beside a server under load: what the copy holds, and what a server that starts on it does."""

import shutil
from pathlib import Path

from hookwright.runtime.database import examine
from tests.harness import Receiver, running_server
from tests.integration.api import fresh
from tests.integration.cli import hookwright
from tests.integration.load import Load


def test_a_backup_under_load_has_all_that_was_acknowledged_before_and_delivers_what_was_live(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with Receiver() as receiver:
        with running_server(here) as server:
            load = Load(server, receiver)
            with load.running():
                load.wait_for(200)
                before = list(load.acknowledged)
                run = hookwright(here, "backup", str(there / "hookwright.db"), "--json")
                assert (run.status, run.err) == (0, "")
                during = len(load.acknowledged)
                load.wait_for(during + 50)  # the server goes on
            assert during >= len(before)
        assert sorted(each.name for each in there.iterdir()) == ["hookwright.db"]
        assert (there / "hookwright.db").stat().st_mode & 0o777 == 0o600
        found = examine(there / "hookwright.db")
        assert (found.problems, found.standing.pending) == ((), ())

        keys = hookwright(there, "doctor", "--database", f"sqlite:///{there / 'hookwright.db'}")
        assert keys.status == 1  # without its keys it is no backup
        shutil.copy(here / "hookwright.db.keys", there)
        with running_server(there) as server:
            load.assert_taken_up(server, before)


def test_a_backup_replaces_nothing_and_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    with running_server(tmp_path):
        (tmp_path / "there").write_text("precious")
        run = hookwright(tmp_path, "backup", "there")
        assert run.status == 1
        assert "exists already" in run.err
        assert (tmp_path / "there").read_text() == "precious"
        assert hookwright(tmp_path, "backup", "no/such/folder").status == 1
    (tmp_path / "other.db").write_bytes(b"not a database" * 1000)
    assert hookwright(tmp_path, "backup", "copy", "--database", f"sqlite:///{tmp_path}/other.db").status == 1
    assert not list(tmp_path.glob("copy*"))


def test_what_a_killed_backup_left_is_named_with_what_to_do(tmp_path: Path) -> None:
    with running_server(tmp_path):
        pass
    (tmp_path / "copy.db.part").write_bytes(b"half")
    run = hookwright(tmp_path, "backup", "copy.db")
    assert run.status == 1
    assert f"{tmp_path / 'copy.db.part'} is there already" in run.err and "remove the file" in run.err
    assert (tmp_path / "copy.db.part").read_bytes() == b"half"
    (tmp_path / "copy.db.part").unlink()
    assert hookwright(tmp_path, "backup", "copy.db").status == 0


def test_of_a_database_that_nobody_serves_a_backup_is_made_as_well(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        app = fresh(server).app()["id"]
    run = hookwright(tmp_path, "backup", "copy.db")
    assert run.status == 0
    assert "THE KEYS ARE NOT IN IT" in run.err
    assert str(tmp_path / "hookwright.db.keys") in run.err
    assert app.encode() in (tmp_path / "copy.db").read_bytes()
    assert not list(tmp_path.glob("*-wal")) + list(tmp_path.glob("*-shm"))


def test_on_postgresql_it_says_what_to_do_instead(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "backup", "copy.db", "--database", "postgresql://nobody@127.0.0.1:1/none")
    assert run.status == 1
    assert "pg_dump" in run.err
