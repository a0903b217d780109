"""What the README tells a newcomer to type, typed, with the server's port and a receiver of ours in place of the README's."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from tests.harness import Receiver, Server, running_server
from tests.integration.cli import environment

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The one code block of a language with this in it."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text]
    return str(found)


def adapted(text: str, server: Server, receiver: Receiver) -> str:
    assert "8071" in text or "TOKEN=" in text
    text = text.replace("127.0.0.1:8071", f"127.0.0.1:{server.port}").replace("https://example.com/webhooks", receiver.url)
    return text.replace(".venv/bin/hookwright", f"{sys.executable} -m hookwright")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, jwt_secret=None) as server:
        yield server


def shell(server: Server, *scripts: str) -> list[str]:
    """What the lines print, with the settings that `make serve` would have in this folder."""
    command = ["bash", "-euc", "\n".join(scripts)]
    folder = server.database.parent
    done = subprocess.run(command, cwd=folder, env=environment(port=str(server.port)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_event_with_curl(server: Server, receiver: Receiver) -> None:
    token = adapted(block("sh", "token create"), server, receiver)
    answers = [json.loads(line) for line in shell(server, token, adapted(block("sh", "api()"), server, receiver))]
    assert [answers[0]["uid"], answers[1]["uid"], answers[2]["eventType"]] == ["acme", "main", "invoice.paid"]
    assert "data" in answers[3]
    (request,) = receiver.wait_for(1)
    assert json.loads(request.body) == {"id": "in_1", "amount": 4200}


def test_the_first_event_with_the_sdk_and_its_verification(server: Server, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    (token,) = shell(server, adapted(block("sh", "token create"), server, receiver), 'echo "$TOKEN"')
    monkeypatch.setenv("TOKEN", token)
    names: dict[str, Any] = {}
    exec(adapted(block("python", "svix.message.create"), server, receiver), names)
    (request,) = receiver.wait_for(1)
    exec(block("python", "standardwebhooks"), names)
    names["receive"](dict(request.headers), request.body)
    with pytest.raises(WebhookVerificationError):
        names["receive"](dict(request.headers), request.body + b" ")


def test_targets_of_make_that_are_named_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (Path(__file__).parents[2] / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make ([a-z]+)", README)) - {"a"} <= set(targets)
