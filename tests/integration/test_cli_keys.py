"""The keys that seal stored secrets: a wrong ring is refused at the start, and an old key can be replaced and leave."""

import asyncio
import base64
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from hookwright.engine import seals as engine_seals
from hookwright.runtime.database import open_store
from hookwright.runtime.keys import open_vault
from hookwright.vault import Vault
from tests.harness import SECRET, Receiver, running_server
from tests.integration.api import Api
from tests.integration.cli import Run, environment, hookwright
from tests.integration.test_cli import one_line


def written(kid: str, letter: bytes) -> str:
    return f"{kid}:{base64.b64encode(letter * 32).decode()}"


OLD, NEW, IMPOSTOR = written("k1", b"o"), written("k2", b"n"), written("k1", b"i")
ROTATE = "/app/acme/endpoint/main/secret/rotate"
ONCE = {"headers": {"idempotency-key": "once"}}


def create(folder: Path, ring: str, *uids: str, url: str = "https://example.com/") -> None:
    """Endpoints of one application, each with a secret and a header sealed with the first key of the ring."""
    with running_server(folder, encryption_keys=ring) as server:
        api = Api(server, server.token)
        api("POST", "/app", {"name": "Acme", "uid": "acme"})
        for uid in uids:
            api.ok("POST", "/app/acme/endpoint", {"url": url, "uid": uid, "headers": {"x-own": "mine"}})


def command(folder: Path, *arguments: str, ring: str) -> Run:
    run = hookwright(folder, *arguments, encryption_keys=ring, jwt_secret=SECRET)
    assert not any(part.partition(":")[2] in run.out + run.err for part in ring.split(","))
    return run


def seals(folder: Path, ring: str) -> dict[str, Any]:
    """What `doctor` says about them."""
    (check,) = [check for check in command(folder, "doctor", "--json", ring=ring).value["checks"] if check["name"] == "seals"]
    return dict(check)


def keys_in_use(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "hookwright.db") as database:
        rows = database.execute(
            "select sealed from endpoint_secrets union all select sealed_headers from endpoints where sealed_headers is not null "
            "union all select sealed_access from endpoints where sealed_access is not null "
            "union all select answer from idempotency_keys where substr(answer, 1, 1) = x'01'"
        ).fetchall()
    return sorted(Vault.key_of(row[0]) for row in rows)


def test_a_ring_without_the_key_is_refused_at_the_start_with_what_is_needed_and_where(tmp_path: Path) -> None:
    create(tmp_path, OLD, "main")
    before = (tmp_path / "hookwright.db").read_bytes()
    run = command(tmp_path, "serve", "--port", "0", ring=NEW)
    assert run.status == 2
    assert "sealed with the key k1, and HOOKWRIGHT_ENCRYPTION_KEYS has only k2: put k1 back" in one_line(run.err)
    assert (tmp_path / "hookwright.db").read_bytes() == before


def test_another_key_under_the_same_name_is_refused_at_the_start(tmp_path: Path) -> None:
    create(tmp_path, OLD, "main")
    run = command(tmp_path, "serve", "--port", "0", ring=f"{NEW},{IMPOSTOR}")
    assert run.status == 2
    assert "another k1 than HOOKWRIGHT_ENCRYPTION_KEYS has (there are k2, k1)" in one_line(run.err)


def test_a_ring_from_before_the_newest_key_is_refused_at_the_start(tmp_path: Path) -> None:
    create(tmp_path, OLD, "first")
    create(tmp_path, f"{NEW},{OLD}", "second")
    run = command(tmp_path, "serve", "--port", "0", ring=OLD)
    assert run.status == 2
    assert "sealed with the key k2, and HOOKWRIGHT_ENCRYPTION_KEYS has only k1" in one_line(run.err)


def test_with_a_key_that_is_gone_for_good_the_rest_delivers_once_that_is_allowed(tmp_path: Path) -> None:
    with Receiver() as receiver:
        create(tmp_path, OLD, "main", url=receiver.url)
        with running_server(tmp_path, encryption_keys=NEW, allow_lost_keys=True) as server:
            api = Api(server, server.token)
            made = api.ok("POST", "/app/acme/endpoint", {"url": receiver.url, "uid": "second"})
            message = api.ok("POST", "/app/acme/msg", {"eventType": "a", "payload": {}})
            secret = api.ok("GET", "/app/acme/endpoint/second/secret")["key"]
            (request,) = receiver.wait_for(1)
            Webhook(secret).verify(request.body, dict(request.headers))
            waiting = api.ok("GET", f"/app/acme/msg/{message['id']}/endpoint")["data"]
            assert {one["id"]: one["status"] for one in waiting if one["id"] != made["id"]}.popitem()[1] in (1, 3)


def test_a_wrong_ring_in_the_key_file_is_mended_there(tmp_path: Path) -> None:
    create(tmp_path, OLD, "main")
    keys = tmp_path / "hookwright.db.keys"
    keys.touch(mode=0o600)
    keys.write_text(json.dumps({"jwt_secret": SECRET, "encryption_keys": NEW}))
    run = hookwright(tmp_path, "serve", "--port", "0")
    assert run.status == 2
    assert f"k1, and the key file {keys} has only k2" in one_line(run.err)


def test_a_mistyped_ring_in_the_key_file_is_one_line_without_the_key(tmp_path: Path) -> None:
    keys = tmp_path / "hookwright.db.keys"
    keys.touch(mode=0o600)
    keys.write_text(json.dumps({"jwt_secret": SECRET, "encryption_keys": f"{NEW}, {OLD[:-8]}"}))
    run = hookwright(tmp_path, "serve", "--port", "0")
    assert run.status == 2
    assert "encryption_keys: the key 'k1'" in one_line(run.err)
    assert OLD[3:-8] not in run.err


def test_one_damaged_value_keeps_nobody_from_starting_and_doctor_finds_it(tmp_path: Path) -> None:
    create(tmp_path, OLD, "main", "other")
    with sqlite3.connect(tmp_path / "hookwright.db") as database:
        damage = "update endpoint_secrets set sealed = cast(substr(sealed, 1, 20) || zeroblob(40) as blob) where endpoint = "
        database.execute(damage + "(select id from endpoints where uid = 'other')")
    with running_server(tmp_path, encryption_keys=OLD) as server:
        assert Api(server, server.token).ok("GET", "/app/acme/endpoint/main/secret")
    found = seals(tmp_path, OLD)
    assert (found["level"], found["found"]) == ("fail", "1 of 4 are damaged and do not open")


def test_a_row_that_cannot_be_read_keeps_nobody_from_starting_and_doctor_finds_it(tmp_path: Path) -> None:
    create(tmp_path, OLD, "main")
    with sqlite3.connect(tmp_path / "hookwright.db") as database:
        database.execute("insert into endpoint_secrets values (cast(x'ff' as text), 1, 1, x'01', null)")
        database.execute("update endpoints set id = cast(x'ff' as text)")
    with running_server(tmp_path, encryption_keys=OLD):
        pass
    found = seals(tmp_path, OLD)
    assert (found["level"], "a row is damaged" in found["found"]) == ("fail", True)


def test_a_key_that_was_replaced_can_leave_after_a_reseal_and_nothing_changes_for_receivers(tmp_path: Path) -> None:
    both = f"{NEW},{OLD}"
    with Receiver() as receiver:
        create(tmp_path, OLD, "main", "deleted", url=receiver.url)
        with running_server(tmp_path, encryption_keys=both) as server:  # the old key still opens
            api = Api(server, server.token)
            api.ok("DELETE", "/app/acme/endpoint/deleted")
            secret = api.ok("POST", ROTATE, {}, **ONCE)["key"]
            token = api.ok("POST", "/auth/api-key", {"name": "k"}, **ONCE)["token"]
        assert keys_in_use(tmp_path) == ["k1"] * 2 + ["k2"] * 3  # what is deleted has left nothing sealed
        run = command(tmp_path, "reseal", ring=both)
        assert run.status == 0, run.err
        assert "2 of 5 sealed anew with k2 (before: 2 under k1)" in run.out
        assert "Nothing here needs k1 any more. It can leave HOOKWRIGHT_ENCRYPTION_KEYS" in run.out
        assert keys_in_use(tmp_path) == ["k2"] * 5
        with running_server(tmp_path, encryption_keys=NEW) as server:
            api = Api(server, server.token)
            api.ok("POST", "/app/acme/msg", {"eventType": "a", "payload": {}})
            (request,) = receiver.wait_for(1)
            repeated = api.ok("POST", ROTATE, {}, **ONCE), api.ok("POST", "/auth/api-key", {"name": "k"}, **ONCE)
    Webhook(secret).verify(request.body, dict(request.headers))
    assert request.header("x-own") == "mine"
    assert (repeated[0]["key"], repeated[1]["token"]) == (secret, token)


def test_an_answer_sealed_with_the_old_key_is_repeated_after_it_has_left(tmp_path: Path) -> None:
    with running_server(tmp_path, encryption_keys=OLD) as server:
        first = Api(server, server.token).ok("POST", "/auth/api-key", {"name": "k"}, **ONCE)
    assert command(tmp_path, "reseal", "--json", ring=f"{NEW},{OLD}").value["renewed"] == 1
    with running_server(tmp_path, encryption_keys=NEW) as server:
        assert Api(server, server.token).ok("POST", "/auth/api-key", {"name": "k"}, **ONCE) == first


def test_a_second_reseal_has_nothing_to_do(tmp_path: Path) -> None:
    create(tmp_path, OLD, "main")
    runs = [command(tmp_path, "reseal", "--json", ring=f"{NEW},{OLD}") for _ in range(2)]
    assert [(run.status, run.value["sealed"], run.value["renewed"], run.value["done"]) for run in runs] == [
        (0, 2, 2, True),
        (0, 2, 0, True),
    ]


def test_a_reseal_in_many_slices_reaches_everything_and_tells_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path, OLD, "one", "two")
    monkeypatch.setattr(engine_seals, "SLICE", 1)

    async def run() -> list[tuple[int, int]]:
        async with open_store(tmp_path / "hookwright.db") as store:
            vault = open_vault(f"{NEW},{OLD}")
            return [(told.looked, told.renewed["k1"]) async for told in engine_seals.reseal(store, vault)]

    assert asyncio.run(run()) == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert keys_in_use(tmp_path) == ["k2"] * 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_reseal_that_was_interrupted_keeps_what_it_did_and_is_finished_by_another(tmp_path: Path, number: signal.Signals) -> None:
    both = f"{NEW},{OLD}"
    create(tmp_path, OLD, "one", "two")
    script = (
        "import os, signal, sys\n"
        "from hookwright.cli import main, reseal\n"
        "from hookwright.engine import seals\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "seals.SLICE = 1\n"
        f"reseal._tell = lambda progress: progress.looked == 2 and os.kill(os.getpid(), {number.value})\n"
        "sys.argv = ['hookwright', 'reseal']\n"
        "main()\n"
    )
    settings = environment(encryption_keys=both, jwt_secret=SECRET)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=settings, capture_output=True, timeout=60)
    assert done.returncode == (130 if number == signal.SIGINT else -number), done.stderr
    found = seals(tmp_path, both)
    assert (found["level"], found["found"]) == ("warn", "2 under k1, 2 under k2; k2 is the newest key")
    with running_server(tmp_path, encryption_keys=both):
        pass
    assert command(tmp_path, "reseal", "--json", ring=both).value["renewed"] == 2
    assert keys_in_use(tmp_path) == ["k2"] * 4


def test_what_does_not_open_is_left_as_it_is_and_opens_when_its_key_is_back(tmp_path: Path) -> None:
    create(tmp_path, OLD, "first")
    create(tmp_path, f"{NEW},{OLD}", "second")
    newest = written("k3", b"3")
    run = command(tmp_path, "reseal", ring=f"{newest},{NEW}")
    assert run.status == 1
    assert "2 do not open and are left as they are (2 under k1): keep all keys" in run.err
    assert "can leave" not in run.out
    assert keys_in_use(tmp_path) == ["k1", "k1", "k3", "k3"]
    assert command(tmp_path, "reseal", ring=f"{newest},{OLD}").status == 0
    assert keys_in_use(tmp_path) == ["k3"] * 4


def test_beside_a_running_server_a_reseal_says_that_it_must_be_stopped(tmp_path: Path) -> None:
    with running_server(tmp_path, encryption_keys=OLD):
        run = command(tmp_path, "reseal", ring=f"{NEW},{OLD}")
    assert run.status == 1
    assert "stop the server" in one_line(run.err)


def test_a_reseal_of_a_database_that_is_not_there_makes_none(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "reseal")
    assert run.status == 1
    assert "there is no database" in one_line(run.err)
    assert not list(tmp_path.iterdir())


def test_doctor_counts_what_is_sealed_by_key(tmp_path: Path) -> None:
    with running_server(tmp_path, encryption_keys=OLD):
        pass
    assert seals(tmp_path, OLD) == {"name": "seals", "level": "ok", "found": "nothing is sealed yet", "advice": ""}
    create(tmp_path, OLD, "main")
    assert seals(tmp_path, OLD)["found"] == "all 2 open, under k1"
    half = seals(tmp_path, f"{NEW},{OLD}")
    assert (half["level"], half["found"]) == ("warn", "2 under k1; k2 is the newest key")
    assert "hookwright reseal" in half["advice"]
    assert seals(tmp_path, f"{OLD},{NEW}")["found"] == "all 2 open, under k1; nothing needs k2"


@pytest.mark.parametrize("ring", [NEW, IMPOSTOR, f"{NEW},{IMPOSTOR}"])
def test_doctor_fails_where_a_server_would_not_start(tmp_path: Path, ring: str) -> None:
    create(tmp_path, OLD, "main")
    found = seals(tmp_path, ring)
    assert found["level"] == "fail"
    assert found["found"].startswith("2 of 2 do not open: ")
    assert found["found"].partition(": ")[2] in command(tmp_path, "serve", "--port", "0", ring=ring).err


def test_credentials_of_endpoints_are_under_the_new_key_too_and_still_sent(tmp_path: Path) -> None:
    with Receiver() as receiver:
        create(tmp_path, OLD, "main", url=receiver.url)
        with running_server(tmp_path, encryption_keys=OLD) as server:
            Api(server, server.token).ok("PUT", "/app/acme/endpoint/main/auth", {"kind": "bearer", "token": "abc"})
        assert command(tmp_path, "reseal", "--json", ring=f"{NEW},{OLD}").value["renewed"] == 3
        assert keys_in_use(tmp_path) == ["k2"] * 3
        with running_server(tmp_path, encryption_keys=NEW) as server:
            Api(server, server.token).ok("POST", "/app/acme/msg", {"eventType": "a.b", "payload": {}})
            (request,) = receiver.wait_for(1)
            assert request.header("authorization") == "Bearer abc"
