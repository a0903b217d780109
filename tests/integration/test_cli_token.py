"""`hookwright token`, beside a running server and without one."""

import os
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.harness import Server, free_port, running_server
from tests.integration.cli import beside, hookwright


def status_of(server: Server, token: str) -> int:
    request = urllib.request.Request(f"{server.url}/api/v1/app", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_token_made_beside_a_running_server_works_at_once(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        run = beside(server, "token", "create", "--name", "first", "--quiet")
        assert run.status == 0
        assert run.err == ""
        assert status_of(server, run.out.strip()) == 200


def test_a_token_made_before_the_first_start_works_afterwards(tmp_path: Path) -> None:
    made = hookwright(tmp_path, "token", "create", "--quiet", port=str(free_port()))
    assert made.status == 0, made.err
    with running_server(tmp_path, jwt_secret=None) as server:
        assert status_of(server, made.out.strip()) == 200


def test_the_key_file_is_private(tmp_path: Path) -> None:
    hookwright(tmp_path, "token", "create", port=str(free_port()))
    assert stat.S_IMODE((tmp_path / "hookwright.db.keys").stat().st_mode) == 0o600


def test_a_revoked_token_is_refused_by_the_running_server(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        made = beside(server, "token", "create", "--json").value
        assert status_of(server, made["token"]) == 200
        assert beside(server, "token", "revoke", made["id"]).status == 0
        assert status_of(server, made["token"]) == 401


def test_a_token_may_do_what_its_scopes_say_and_nothing_else(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        made = beside(server, "token", "create", "--scope", "message:write", "--scope", "message:read", "--json").value
        assert made["scopes"] == ["message:read", "message:write"]
        assert status_of(server, made["token"]) == 403


def test_lists_are_the_same_with_and_without_a_server(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        beside(server, "token", "create", "--name", "a", "--expires", "30d")
        beside(server, "token", "create", "--name", "b")
        there = beside(server, "token", "list", "--json").value
    here = hookwright(tmp_path, "token", "list", "--json").value
    assert here == there
    assert [key["name"] for key in here] == ["b", "a"]
    assert not any("token" in key for key in here)


def test_a_scope_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "token", "create", "--scope", "message:eat")
    assert run.status == 2
    assert "message:write" in run.err


@pytest.mark.parametrize("expires", ["tomorrow", "2030-01-01T00:00:00", "2020-01-01T00:00:00Z", "0d"])
def test_an_expiry_that_cannot_be_is_refused(tmp_path: Path, expires: str) -> None:
    assert hookwright(tmp_path, "token", "create", "--expires", expires).status == 2


def test_a_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        there = beside(server, "token", "revoke", "key_1srOrx2ZWZBpBUvZwXKQmoEYga2")
    here = hookwright(tmp_path, "token", "revoke", "key_1srOrx2ZWZBpBUvZwXKQmoEYga2")
    assert there.status == here.status == 1
    assert there.err == here.err
    assert "there is no key" in here.err


def test_a_server_elsewhere_is_asked_for_by_name(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        run = beside(server, "token", "list", port=str(free_port()))
    assert run.status == 1
    assert "--url" in run.err


def test_another_secret_than_the_servers_is_explained(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        run = beside(server, "token", "list", jwt_secret="another secret, which the server does not know")
    assert run.status == 1
    assert "does not accept a token made with the secret known here" in run.err


def test_a_given_token_needs_no_database(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running_server(tmp_path) as server:
        run = hookwright(elsewhere, "token", "list", "--json", "--url", server.url, "--token", server.token)
    assert run.value == []
    assert not list(elsewhere.iterdir())


def test_the_wrong_folder_is_noticed_before_a_database_is_made(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running_server(tmp_path) as server:
        run = hookwright(elsewhere, "token", "create", port=str(server.port))
    assert run.status == 1
    assert "--database" in run.err
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["", "a\nb", "a\x7f", b"\xff", "n" * 1025], ids=["empty", "line break", "delete", "no text", "long"])
def test_a_name_that_the_api_refuses_is_refused_without_a_server_too(tmp_path: Path, name: str | bytes) -> None:
    run = hookwright(tmp_path, "token", "create", "--name", os.fsdecode(name), "--quiet", port=str(free_port()))
    assert run.status == 2
    assert "--name" in run.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("expires", ["999999999w", "9999-12-31T23:59:59-12:00"])
def test_an_expiry_beyond_the_calendar_is_the_callers_mistake(tmp_path: Path, expires: str) -> None:
    run = hookwright(tmp_path, "token", "create", "--expires", expires)
    assert run.status == 2
    assert "9999" in run.err


@pytest.mark.parametrize("ident", ["", "first", "key_", "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
def test_what_is_no_keys_id_is_not_asked_for(tmp_path: Path, ident: str) -> None:
    run = hookwright(tmp_path, "token", "revoke", ident)
    assert run.status == 2
    assert "key_" in run.err
