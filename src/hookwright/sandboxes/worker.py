"""The process in which scripts run. Started by its path, it knows nothing of this program: no settings, no secrets, no files.

Duty: whatever a script does, it costs its limits and harms nobody. Rules:

1. Each script runs in a child of its own, forked for it and ended after it: no script finds anything of another's, not even with
   a mistake of the engine's to help it, and what it took is the system's again.
2. A child has no way in or out but the pipe on which it answers: it can open no file and no socket, begin no process, and write to
   no disk. As root it is nobody before it reads the first script, in a network with nothing in it.
3. Time is of the processor, so that a busy machine is not the script's fault; memory is the engine's, and the child's as a whole.
   What the engine does not stop by itself the system does, and what neither does the parent, by the clock.

Requests and results are JSON after four bytes of length, on the socket that is standard input and output; its end is the end.
"""

import contextlib
import gc
import json
import os
import re
import resource
import select
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import _quickjs as quickjs  # its public face begins a thread, and a process with threads is not to be forked

OURS = 100_000
PRELUDE = "\n" * OURS + Path(__file__).with_name("prelude.js").read_text("utf-8")
"""The engine calls every source by one name: behind more lines than a script can have, ours is told from it."""
HANDLER = "typeof handler === 'function' ? handler : undefined"
STACK = 512 * 1024
SPARE = 256 * 1024 * 1024
"""Bytes of addresses beside the engine's memory: this program itself, and its copies of what the engine says."""
NOBODY = 65_534
NEW_NETWORK = 0x4000_0000
"""CLONE_NEWNET of <sched.h>."""
ENVELOPE = 262_144
"""Bytes of a result beside its answer."""
MEMORY = "it took too much memory"
_PLACE = re.compile(r"<input>:(\d+)")


def serve(limits: dict[str, Any]) -> None:
    give_up_rights()
    gc.freeze()
    while (request := read_frame(0)) is not None:
        result = run_apart(json.loads(request), limits)
        write_all(1, struct.pack(">I", len(result)) + result)


def give_up_rights() -> None:
    """Once, for all children to come."""
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    if os.geteuid() == 0:
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).unshare(NEW_NETWORK)  # in a container it may not be allowed: rule 2 holds without it
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def run_apart(request: dict[str, Any], limits: dict[str, Any]) -> bytes:
    """The result of a script, as JSON; of one that brought its child down, why."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        answer_and_end(request, limits, theirs)
    os.close(theirs)
    result = collect(ours, time.monotonic() + limits["patience"], 2 * limits["output"] + ENVELOPE)
    os.close(ours)
    if result is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return result if result and status == 0 else written(obituary(status, late=result is None))


def answer_and_end(request: dict[str, Any], limits: dict[str, Any], pipe: int) -> NoReturn:
    """In the child."""
    status = 1
    try:
        os.close(0)
        os.close(1)
        confine(limits)
        try:
            result = written(run(request, limits))
        except MemoryError:
            result = written(stopped("memory", MEMORY))
        write_all(pipe, result)
        status = 0
    finally:
        os._exit(status)


def confine(limits: dict[str, Any]) -> None:
    """Rules 2 and 3, for this child."""
    cpu = int(limits["seconds"]) + 2
    restrict(resource.RLIMIT_CPU, cpu, cpu + 1)
    restrict(resource.RLIMIT_NPROC, 0, 0)
    restrict(resource.RLIMIT_NOFILE, 0, 0)
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit; the engine's own holds there, too
        restrict(resource.RLIMIT_AS, limits["memory"] + SPARE, limits["memory"] + SPARE)


def restrict(what: int, soft: int, hard: int) -> None:
    most = resource.getrlimit(what)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(what, (soft, hard))


def run(request: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """What came of the script; this process has done nothing else yet, so its time is the script's."""
    context = quickjs.Context()
    context.set_memory_limit(limits["memory"])
    context.set_max_stack_size(STACK)
    door = context.eval(PRELUDE)
    try:
        result = call(context, door, request, limits)
    except quickjs.JSException as error:
        text, _, stack = str(error).partition("\n    at ")
        result = mistake(text, stack)
    if time.process_time() >= limits["seconds"]:
        result = stopped("time", f"it took more than {limits['seconds']:g} s", result.get("line"))
    return result | {"log": json.loads(door("log") or '""')}


def call(context: Any, door: Any, request: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """Raises JSException for what cannot even be told from within."""

    def in_time() -> Any:
        context.set_time_limit(max(0.0, limits["seconds"] - time.process_time()))
        return context

    in_time().eval(request["code"])
    handler = in_time().eval(HANDLER)
    if handler is None:
        return stopped("error", "there is no function handler(webhook) in it")
    in_time()
    door("run", handler, request["webhook"], request["payload"], request["is_json"])
    while in_time().execute_pending_job():
        pass
    return verdict(door("failure"), door("answer"), limits["output"])


def verdict(failure: str | None, answer: str | None, most: int) -> dict[str, Any]:
    if failure is None or answer is None:  # there was not even room to say it
        return stopped("memory", MEMORY)
    if failure:
        told = json.loads(failure)
        return mistake(told["text"], told["stack"])
    if not answer:
        return stopped("error", "the promise that the handler returned is never fulfilled")
    if len(answer.encode()) > most:
        return stopped("output", f"it returned more than {most} bytes")
    return {"answer": answer}


def mistake(text: str, stack: str) -> dict[str, Any]:
    if text.startswith("InternalError: out of memory"):
        return stopped("memory", MEMORY)
    if text == "null":
        text = "null was thrown; perhaps there was no memory left for more"
    lines = (int(found[1]) for found in _PLACE.finditer(stack))
    return stopped("error", text, next((line for line in lines if line <= OURS), None))


def stopped(trouble: str, detail: str, line: int | None = None) -> dict[str, Any]:
    return {"trouble": trouble, "detail": detail, "line": line}


def obituary(status: int, *, late: bool) -> dict[str, Any]:
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return stopped("time", "it took too much time and did not let itself be stopped")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return stopped("memory", "it was killed; it took too much memory, or too much time")
    return stopped("crash", "the script engine broke down over it")


def collect(pipe: int, until: float, most: int) -> bytes | None:
    """All that comes until the end; None when that is late, or too much."""
    found = bytearray()
    while (left := until - time.monotonic()) > 0 and select.select([pipe], [], [], left)[0]:
        part = os.read(pipe, 65_536)
        found += part
        if not part:
            return bytes(found)
        if len(found) > most:
            break
    return None


def written(result: dict[str, Any]) -> bytes:
    """As JSON in UTF-8, which has no lone surrogates."""
    return json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")


def read_frame(file: int) -> bytes | None:
    """None at the end."""
    head = read_exactly(file, 4)
    return None if head is None else read_exactly(file, struct.unpack(">I", head)[0])


def read_exactly(file: int, length: int) -> bytes | None:
    found = bytearray()
    while len(found) < length:
        part = os.read(file, length - len(found))
        if not part:
            return None
        found += part
    return bytes(found)


def write_all(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
