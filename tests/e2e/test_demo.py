"""`hookwright demo`, from a clean environment to its exit status; and that its judgement can be negative."""

import base64
import hashlib
import hmac
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from hookwright.cli.demo_events import make_events
from hookwright.cli.demo_receiver import is_signed
from hookwright.cli.demo_run import Result
from tests.integration.cli import PYTHON, environment, hookwright

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GOOD = Result(
    endpoint="healthy", does="", events=100, arrived=100, attempts=100, verified=100, altered=0, repeated=0, recorded=100,
    median_ms=1.0, p99_ms=2.0,
)  # fmt: skip


def test_all_of_it_arrives_and_the_table_says_so(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "demo")
    assert run.status == 0, run.out + run.err
    for words in ("healthy", "flaky", "slow", "134 of 134", "All of it arrived", "hookwright serve`, then `"):
        assert words in run.out
    assert run.err == ""
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_machines_get_one_document(tmp_path: Path) -> None:
    run = hookwright(tmp_path, "demo", "--json", "--events", "20")
    assert run.status == 0
    assert run.value["ok"] is True
    assert [(one["endpoint"], one["arrived"], one["attempts"]) for one in run.value["endpoints"]] == [
        ("healthy", 20, 20), ("flaky", 20, 27), ("slow", 20, 20),
    ]  # fmt: skip


def test_nobodys_settings_change_the_demo(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "https_only": "true",
        "retry_schedule": "3600",
        "port": "1",
        "signature_headers": "svix",
        "log_level": "debug",
    }
    assert hookwright(tmp_path, "demo", "--json", "--events", "5", **settings).status == 0


def _listen_to_interrupts() -> None:
    """A shell starts what it puts into the background deaf to SIGINT, and the tests may be run there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_it_can_be_interrupted_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [*PYTHON, "demo", "--events", "10000"]
    settings = environment() | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_listen_to_interrupts
    )
    assert process.stdout is not None
    while "Sending" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"arrived": 99}, {"recorded": 99}, {"verified": 99}, {"altered": 1}])
def test_anything_that_is_missing_is_a_failure(wrong: dict[str, int]) -> None:
    assert GOOD.good
    assert not msgspec.structs.replace(GOOD, **wrong).good


def test_events_differ_and_are_the_same_in_every_run() -> None:
    events = make_events(100)
    assert len({event.body for event in events}) == 100
    assert len({event.type for event in events}) == 5
    assert make_events(100) == events


def headers(body: bytes, at: int) -> dict[str, str]:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, f"msg_1.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{mac}"}


def test_the_receivers_own_check_agrees_with_the_reference_library() -> None:
    now = int(time.time())
    signed = headers(b"{}", now)
    assert Webhook(SECRET).verify(b"{}", signed) == {}
    assert is_signed(SECRET, signed, b"{}")


@pytest.mark.parametrize(
    "change", [{"webhook-id": "msg_2"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}, {"webhook-signature": ""}]
)
def test_the_receivers_own_check_refuses_what_was_changed(change: dict[str, str]) -> None:
    assert not is_signed(SECRET, headers(b"{}", int(time.time())) | change, b"{}")


def test_the_receivers_own_check_refuses_another_body() -> None:
    assert not is_signed(SECRET, headers(b"{}", int(time.time())), b"{ }")
