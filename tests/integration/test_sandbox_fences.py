"""What holds a script whose engine does not: each test puts something worse in the engine's place."""

import json
import subprocess
import sys
from typing import Any

import pytest

from hookwright.sandboxes import workers

LIMITS = {"seconds": 0.1, "memory": 16 * 1024 * 1024, "output": 1000, "patience": 60.0}


def apart(engine: str, **limits: float) -> dict[str, Any]:
    """The result of a run for which `engine` (the body of a function of `request` and `limits`) stands in the engine's place."""
    body = "".join(f"    {line}\n" for line in engine.splitlines())
    program = (
        "import importlib.util, os, resource, signal, socket, sys, time\n"
        f"spec = importlib.util.spec_from_file_location('worker', {str(workers.PROGRAM)!r})\n"
        "worker = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(worker)\n"
        f"def run(request, limits):\n{body}"
        "worker.run = run\n"
        "worker.give_up_rights()\n"
        f"sys.stdout.buffer.write(worker.run_apart({{}}, {LIMITS | limits!r}))\n"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", program], stdout=subprocess.PIPE, check=True, timeout=110)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_the_harness_shows_what_an_engine_returns() -> None:
    assert apart("return {'answer': 'é'}") == {"answer": "é"}


@pytest.mark.parametrize(
    "escape",
    [
        "socket.socket()",
        "socket.socketpair()",
        "os.open('/etc/passwd', os.O_RDONLY)",
        "os.open('/tmp/escaped', os.O_WRONLY | os.O_CREAT)",
        "os.pipe()",
        "os.dup(limits['pipe'])",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
        "resource.setrlimit(resource.RLIMIT_NPROC, (10, 10))",
        "os.setuid(0) if os.getuid() else os.fork()",
        "os.write(0, b'x')",
        "os.write(1, b'x')",
    ],
)
def test_there_is_no_way_out(escape: str) -> None:
    outcome = apart(
        f"limits['pipe'] = 2\ntry:\n    {escape}\nexcept (OSError, ValueError) as error:\n    return {{'answer': type(error).__name__}}"
    )
    assert outcome["answer"] in ("OSError", "PermissionError", "BlockingIOError", "ValueError"), outcome


def test_it_is_nobody_with_nothing_in_its_environment() -> None:
    outcome = apart("return {'answer': f'{os.getuid()} {os.geteuid()} {os.getgroups()}'}")
    assert "0 " not in outcome["answer"].split()[0] + " "
    assert outcome["answer"].endswith("[]") or not outcome["answer"].startswith("65534")


def test_what_computes_without_end_is_stopped_by_the_system() -> None:
    assert apart("while True: pass")["trouble"] == "time"


def test_what_does_nothing_without_end_is_stopped_by_the_clock() -> None:
    assert apart("time.sleep(100)", patience=0.5)["trouble"] == "time"


def test_what_takes_ever_more_memory_is_stopped_by_the_system() -> None:
    assert apart("kept = []\nwhile True: kept.append(bytearray(1 << 24))", seconds=30.0)["trouble"] == "memory"


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGABRT", "SIGILL"])
def test_what_breaks_down_is_told(number: str) -> None:
    assert apart(f"os.kill(os.getpid(), signal.{number})")["trouble"] == "crash"


def test_what_ends_without_a_word_is_told() -> None:
    assert apart("os._exit(0)")["trouble"] == "crash"
    assert apart("raise RuntimeError")["trouble"] == "crash"


def test_what_says_too_much_is_stopped() -> None:
    assert "trouble" in apart("return {'answer': 'x' * 10_000_000}", seconds=30.0)
