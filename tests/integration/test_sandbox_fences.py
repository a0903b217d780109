"""What holds a script whose engine does not: each test puts something worse in the engine's place."""

import json
import platform
import resource
import socket
import struct
import subprocess
import sys
from typing import Any

import pytest

from hookwright.sandboxes import fence, workers

fenced = pytest.mark.skipif(platform.machine() not in fence.CALLS, reason="nobody knows the calls of this processor")
LIMITS = {"seconds": 0.1, "memory": 16 * 1024 * 1024, "output": 1000, "patience": 60.0}


def apart(engine: str, **limits: float) -> dict[str, Any]:
    """The result of a run for which `engine` (the body of a function of `request` and `limits`) stands in the engine's place."""
    body = "".join(f"    {line}\n" for line in engine.splitlines())
    program = (
        "import ctypes, importlib.util, os, resource, signal, socket, sys, threading, time\n"
        f"spec = importlib.util.spec_from_file_location('worker', {str(workers.PROGRAM)!r})\n"
        "worker = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(worker)\n"
        "libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()\n"
        f"def run(request, limits):\n{body}"
        "worker.run = run\n"
        f"worker.serve({LIMITS | limits!r})\n"
    )
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen([sys.executable, "-I", "-c", program], stdin=theirs.fileno(), stdout=theirs.fileno())
        try:
            ours.settimeout(110)
            assert frame(ours) == b""
            ours.sendall(struct.pack(">I", 2) + b"{}")
            found: dict[str, Any] = json.loads(frame(ours))
        finally:
            ours.close()
            process.wait(110)
    return found


def frame(ours: socket.socket) -> bytes:
    with ours.makefile("rb") as file:
        (length,) = struct.unpack(">I", file.read(4))
        return file.read(length)


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
        "os.dup(2)",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
        "resource.setrlimit(resource.RLIMIT_NPROC, (10, 10))",
        "os.setuid(0) if os.getuid() else os.fork()",
        "os.write(0, b'x')",
        "os.write(1, b'x')",
        pytest.param("os.execv('/bin/true', ['true'])", marks=fenced),
        pytest.param("os.kill(parent, 0)", marks=fenced),
        pytest.param("os.stat('/')", marks=fenced),
    ],
)
def test_there_is_no_way_out(escape: str) -> None:
    outcome = apart(f"try:\n    {escape}\nexcept (OSError, ValueError) as error:\n    return {{'answer': type(error).__name__}}")
    assert outcome.get("answer") in ("OSError", "PermissionError", "BlockingIOError", "ValueError"), outcome


@fenced
@pytest.mark.parametrize(
    "call",
    ["ptrace(16, parent, 0, 0)", "process_vm_readv(parent, 0, 0, 0, 0, 0)", "kill(parent, 0)", "shmget(0, 4096, 0o1600)", "unshare(0)"],
)
def test_the_system_is_called_for_nothing_else(call: str) -> None:
    """What limits do not keep from a process of the same user: to look into another, which may be the server."""
    assert apart(f"failed = libc.{call}\nreturn {{'answer': [failed, ctypes.get_errno()]}}") == {"answer": [-1, 1]}


@fenced
def test_every_call_in_the_table_is_let_through_and_each_has_one_number() -> None:
    for machine, (_, calls) in fence.CALLS.items():
        steps = list(struct.iter_unpack("HBBI", fence.program(machine) or b""))
        assert len(set(calls.values())) == len(calls)
        for place, number in enumerate(calls.values(), start=3):
            code, jump, _, wanted = steps[place]
            assert (code, wanted) == (fence.IF_EQUAL, number)
            assert steps[place + 1 + jump] == (fence.RETURN, 0, 0, fence.ALLOW)
        assert steps[2 + steps[1][2]] == steps[-2] == (fence.RETURN, 0, 0, fence.REFUSE)


def test_what_computes_without_end_is_stopped_by_the_system() -> None:
    """Little later than it should have ended, by the processor's time, whatever else this machine has to do."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert apart("while True: pass")["trouble"] == "time"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1.8


def test_what_does_nothing_without_end_is_stopped_by_the_clock() -> None:
    assert apart("lock = threading.Lock()\nlock.acquire()\nlock.acquire()", patience=0.5)["trouble"] == "time"


def test_what_takes_ever_more_memory_is_stopped_by_the_system() -> None:
    assert apart("kept = []\nwhile True: kept.append(bytearray(1 << 24))", seconds=30.0)["trouble"] == "memory"


@pytest.mark.parametrize("fault", ["ctypes.string_at(0)", "os.abort()", "signal.raise_signal(signal.SIGILL)"])
def test_what_breaks_down_is_told(fault: str) -> None:
    assert apart(fault)["trouble"] == "crash"


def test_what_ends_without_a_word_is_told() -> None:
    assert apart("os._exit(0)")["trouble"] == "crash"
    assert apart("raise RuntimeError")["trouble"] == "crash"


def test_what_says_too_much_is_stopped() -> None:
    assert apart("return {'answer': 'x' * 10_000_000}", seconds=30.0)["trouble"] == "output"
