"""What a command says when the server it was sent to is none, is not ours, or cannot be asked at all."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import free_port
from tests.integration.cli import Run, hookwright

COMMANDS = [("token", "list"), ("token", "create"), ("token", "revoke", "key_1srOrx2ZWZBpBUvZwXKQmoEYga2"), ("send", "acme", "x")]


class Foreign(http.server.BaseHTTPRequestHandler):
    """Answers every request with the status and the body in its path: `/422/["x"]/api/v1/...`."""

    def answer(self) -> None:
        _, status, body, *_ = self.path.replace("%22", '"').split("/")
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def one_line(run: Run) -> str:
    (line,) = run.err.strip().splitlines()
    assert "a mistake of ours" not in line
    return line


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        *((command, "200/[]") for command in COMMANDS),
        *((COMMANDS[0], answer) for answer in ("200/{}", '200/{"data":1}', "200/<html>", "301/", '404/["x"]')),
    ],
)
def test_a_server_that_is_not_ours_is_said(tmp_path: Path, foreign: str, command: tuple[str, ...], answer: str) -> None:
    run = hookwright(tmp_path, *command, "--url", "http://" + foreign + "/" + answer.replace('"', "%22"), "--token", "t")
    assert run.status == 1
    assert "not as Hookwright does" in one_line(run)


def test_a_refusal_in_another_shape_is_shown_as_it_is(tmp_path: Path, foreign: str) -> None:
    run = hookwright(tmp_path, "token", "list", "--url", f"http://{foreign}/422/{{%22detail%22:[%22x%22]}}", "--token", "t")
    assert run.status == 1
    assert "answers 422: x" in one_line(run)


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://127.0.0.1/é"])
def test_what_is_no_address_is_a_wrong_call(tmp_path: Path, url: str) -> None:
    run = hookwright(tmp_path, "token", "list", "--url", url, "--token", "t")
    assert run.status == 2
    assert "right would be an address" in one_line(run)


@pytest.mark.parametrize("token", ["very\nsecret", "very€secret", "very secret"])
def test_what_is_no_token_is_a_wrong_call_and_is_not_repeated(tmp_path: Path, token: str) -> None:
    run = hookwright(tmp_path, "token", "list", "--url", f"http://127.0.0.1:{free_port()}", "--token", token)
    assert run.status == 2
    assert "secret" not in one_line(run)


def test_tls_to_a_server_without_it_is_named_as_the_cause(tmp_path: Path, foreign: str) -> None:
    run = hookwright(tmp_path, "token", "list", "--url", f"https://{foreign}", "--token", "t")
    assert run.status == 1
    assert "SSL" in one_line(run)


def test_a_label_that_no_name_can_have_is_a_name_that_is_not_found(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "token", "list", "--url", f"http://{'a' * 70}.invalid", "--token", "t")
    assert run.status == 1
    assert "no server answers" in one_line(run)


def test_nobody_at_a_port_is_a_refused_connection(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "token", "list", "--url", f"http://127.0.0.1:{free_port()}", "--token", "t")
    assert run.status == 1
    assert "Connection refused" in one_line(run)
