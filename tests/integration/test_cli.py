"""What all commands share: how they end, what they load, how they explain a refusal at start."""

import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hookwright.cli import console
from hookwright.cli.serve import banner
from hookwright.config import Settings
from tests.harness import SECRET, ServerProcess, answers, free_port, running_server
from tests.integration.cli import PYTHON, beside, environment, hookwright
from tests.integration.test_cli_send import register


def one_line(text: str) -> str:
    (line,) = text.strip().splitlines()
    assert line.startswith("hookwright: ")
    return line


def test_help_says_what_each_command_does(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "--help")
    assert run.status == 0
    assert all(name in run.out for name in ("serve", "demo", "send", "token", "verify", "doctor", "migrate", "reseal"))


@pytest.mark.parametrize(
    "arguments", [("token", "list"), ("doctor",), ("verify", "--secret", "x"), ("migrate", "--dry-run"), ("reseal",), ("--help",)]
)
def test_small_commands_do_not_load_the_server(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    script = "import sys\nsys.argv[0] = 'hookwright'\nfrom hookwright.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    script += "print([m for m in ('fastapi', 'httptools', 'uvicorn', 'uvloop') if m in sys.modules], file=sys.stderr)"
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), input=b"", capture_output=True, timeout=60)
    assert done.stderr.decode().splitlines()[-1] == "[]"


def test_an_unknown_command_is_a_wrong_call(tmp_path: Path) -> None:
    assert hookwright(tmp_path, "deliver").status == 2


def test_a_wrong_setting_is_named_with_its_value(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "serve", "--port", "99999")
    assert run.status == 2
    assert "HOOKWRIGHT_PORT=99999" in one_line(run.err)


def test_every_wrong_setting_has_a_line_of_its_own(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "serve", concurrency="none", port="x")
    assert [line.startswith("hookwright: HOOKWRIGHT_") for line in run.err.splitlines()] == [True, True]


def test_listening_publicly_without_a_secret_is_refused_with_the_reason(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "serve", "--host", "0.0.0.0")
    assert run.status == 2
    assert "needs HOOKWRIGHT_JWT_SECRET" in one_line(run.err)
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        other = tmp_path / "other"
        other.mkdir()
        run = hookwright(other, "serve", "--port", str(server.port))
    assert run.status == 2
    assert "address already in use" in one_line(run.err).lower()


def test_a_second_process_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with running_server(tmp_path):
        run = hookwright(tmp_path, "serve", "--port", "0")
    assert run.status == 1
    waiting, refused = run.err.splitlines()
    assert "waiting up to 5 s" in waiting
    assert refused.startswith("hookwright: ") and "in use by another process" in refused


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hookwright.db").write_text("not a database, but long enough to have a header\n" * 100)
    run = hookwright(tmp_path, "serve", "--port", "0")
    assert run.status == 1
    assert "is not a SQLite database" in one_line(run.err)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "hookwright.db")
    foreign.execute("create table recipes (name text)")
    foreign.commit()
    foreign.close()
    run = hookwright(tmp_path, "serve", "--port", "0")
    assert run.status == 1
    assert "another program's" in one_line(run.err)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "serve", "--port", "0", "--database", "sqlite:///nowhere/hookwright.db")
    assert run.status == 1
    assert "nowhere" in one_line(run.err)


def test_data_without_its_key_file_is_refused(tmp_path: Path) -> None:
    hookwright(tmp_path, "token", "create", "--quiet")
    (tmp_path / "hookwright.db.keys").unlink()
    run = hookwright(tmp_path, "serve", "--port", "0")
    assert run.status == 2
    assert "restore it" in one_line(run.err)


def test_the_banners_way_to_a_token_works_from_another_terminal(tmp_path: Path) -> None:
    with running_server(tmp_path, jwt_secret=None) as server:
        settings = Settings.load(database=f"sqlite:///{server.database}")
        (line,) = [line for line in banner(settings, server.port).splitlines() if "A token" in line]
        run = hookwright(Path("/"), *line.split()[3:])
    assert run.status == 0, run.err
    assert run.out.startswith("hw_")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    with ServerProcess(tmp_path, free_port()) as server:
        assert server.process is not None
        server.process.send_signal(number)
        assert server.process.wait(30) == 0


def test_log_lines_are_json_when_nobody_watches(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, free_port()) as server:
        server.stop()
        lines = server.log().splitlines()
    assert all(line.startswith("{") for line in lines), lines
    assert any('"listening"' in line for line in lines)


def test_a_person_is_told_where_it_listens_where_data_lies_and_what_is_open(tmp_path: Path) -> None:
    port = free_port()
    settings = {"log_format": "console", "port": str(port), "allow_networks": "127.0.0.0/8"}
    process = subprocess.Popen([*PYTHON, "serve"], cwd=tmp_path, env=environment(**settings), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        shown = ""
        while "Unsafe" not in shown:
            line = process.stderr.readline()
            assert line, shown
            shown += line
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stderr.close()
    assert f"http://127.0.0.1:{port}/docs" in shown
    assert str(tmp_path / "hookwright.db") in shown
    assert "hookwright token create" in shown
    assert "ALLOW_NETWORKS=127.0.0.0/8" in shown


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ServerProcess(tmp_path, free_port(), HOOKWRIGHT_SHUTDOWN_GRACE="600") as server:
        register(server, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert beside(server, "send", "acme", "x").status == 0
        silent.settimeout(30)
        attempt, _ = silent.accept()  # now one is under way, and a stop waits for it
        with attempt:
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            while answers(server.port):  # its end is that of listening: the stop has begun
                time.sleep(0.01)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 128 + signal.SIGTERM


def test_a_mistake_of_ours_is_one_line_and_keeps_the_details(tmp_path: Path) -> None:
    script = "import hookwright.cli.app as app\ndef broken(): raise KeyError('inside')\napp.app.command('broken')(broken)\napp.main()\n"
    command = [sys.executable, "-c", script, "broken"]
    done = subprocess.run(command, cwd=tmp_path, env=environment() | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "KeyError" in one_line(done.stderr)
    (details,) = tmp_path.glob("hookwright-*.txt")
    assert "Traceback" in details.read_text()


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PYTHON, "--debug", "token", "list"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" in done.stderr


def test_no_command_writes_the_secret(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        for arguments in (("doctor",), ("token", "list"), ("migrate",)):
            run = hookwright(tmp_path, *arguments, jwt_secret=SECRET, port=str(server.port))
            assert SECRET not in run.out + run.err


def test_a_program_that_is_not_on_the_path_is_named_by_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "with space" / "hookwright"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["with space/hookwright"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert console.program() == f"'{program}'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert console.program() == "hookwright"
