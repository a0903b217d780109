"""The process in which scripts run. Started by its path, it knows nothing of this program: no settings, no secrets, no files.

Duty: whatever a script does, it costs its limits and harms nobody. Rules:

1. Each script runs in a child of its own, forked for it and ended after it: no script finds anything of another's, not even with
   a mistake of the engine's to help it, and what it took is the system's again. So what is asked is read by the child; of what it
   answers this process, which the next child is a copy of, keeps no byte.
2. A child has no way in or out but the pipe on which it answers: it can open no file and no socket, begin no process, write to no
   disk, and touch no other process (`fence`). As root it is nobody before it reads the first script, in a network with nothing in it.
3. Time is of the processor, so that a busy machine is not the script's fault; memory is the engine's, and the child's as a whole.
   What the engine does not stop by itself the system does, and what neither does the parent, by the clock.

Requests and results are JSON after four bytes of length, on the socket that is standard input and output. A first, empty result says
that all is ready, another one that there was no room for a child. The socket's end is the end, of a script that runs as well; signals
that are meant for the server are not.
"""

import contextlib
import gc
import json
import os
import re
import resource
import runpy
import select
import signal
import socket
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
ENVELOPE = 262_144
"""Bytes of a result beside its answer; and of memory to tell what a script logged that took all of its own."""
MOST_TEXT, MOST_STACK = 2_000, 4_000
"""Characters of what is told of a mistake, and that are looked through for its line."""
TELLING = 0.5
"""Seconds of the processor that a child has left to tell of a script that was stopped for its time."""
MEMORY = "it took too much memory"
READ = b"\n"
"""A child's first word: it has read all of its request. To JSON it is white space."""
_PLACE = re.compile(r"<input>:(\d+)")


def serve(limits: dict[str, Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    fence = runpy.run_path(str(Path(__file__).with_name("fence.py")))["Fence"]()
    asked = socket.socket(fileno=0)
    result = bytearray(2 * limits["output"] + ENVELOPE)
    gc.freeze()
    tell(b"")
    while asked.recv(1, socket.MSG_PEEK):
        if not run_apart(limits, fence, result):
            return


def run_apart(limits: dict[str, Any], fence: Any, result: bytearray) -> bool:
    """Have a child read a script and run it; tell what came of it, or why nothing did. `result`: room for it, only zeros before
    and after. False if this was the last one: the server is gone, or nobody knows how much of the request is still unread.
    """
    try:
        ours, theirs = os.pipe()
        child = os.fork()
    except OSError:
        tell(b"")
        return False
    if child == 0:
        answer_and_end(limits, fence, theirs)
    os.close(theirs)
    size, whole = collect(ours, time.monotonic() + limits["patience"], result)
    os.close(ours)
    if not whole:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with memoryview(result)[:size] as said:
        was_read = bytes(said[: len(READ)]) == READ
        if whole and status == 0 and size > len(READ):
            tell(said)
        else:
            tell(written(obituary(status, late=not whole, full=size == len(result))))
    result[:size] = bytes(size)
    return was_read


def answer_and_end(limits: dict[str, Any], fence: Any, pipe: int) -> NoReturn:
    """In the child."""
    status = 1
    try:
        request = read_frame(0)
        os.close(0)
        os.close(1)
        write_all(pipe, READ)
        confine(limits)
        fence.shut()
        try:
            result = written(run(json.loads(request), limits))
        except MemoryError:
            result = written(stopped("memory", MEMORY))
        write_all(pipe, result)
        status = 0
    finally:
        os._exit(status)


def confine(limits: dict[str, Any]) -> None:
    """Rules 2 and 3, for this child."""
    signal.setitimer(signal.ITIMER_PROF, limits["seconds"] + TELLING)  # it is of the processor's time, and ends who does not mind it
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
    before = largest()
    try:
        result = call(context, door, request, limits)
    except quickjs.JSException as error:
        text, _, stack = str(error).partition("\n    at ")
        result = mistake(text.strip(), stack)
    if result.get("detail") == "null":  # thrown by the script, or by the engine where there is no memory even for an error
        full = largest() - before > limits["memory"] // 2
        result = stopped("memory", MEMORY) if full else stopped("error", "null was thrown", result["line"])
    if time.process_time() >= limits["seconds"]:
        result = stopped("time", f"it took more than {limits['seconds']:g} s", result.get("line"))
    return result | {"log": logged(context, door, limits)}


def call(context: Any, door: Any, request: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """Raises JSException for what cannot even be told from within."""

    def in_time() -> Any:
        context.set_time_limit(max(0.0, limits["seconds"] - time.process_time()))
        return context

    in_time().eval(request["code"])
    handler = in_time().eval(HANDLER)
    if handler is None:
        return stopped("error", "there is no function handler(webhook) in it")
    if request["webhook"] is None:
        return {"answer": ""}
    in_time()
    door("run", handler, request["webhook"], request["payload"], request["is_json"])
    while time.process_time() < limits["seconds"] and in_time().execute_pending_job():
        pass
    return verdict(door("failure"), door("answer"), limits["output"])


def logged(context: Any, door: Any, limits: dict[str, Any]) -> Any:
    """What the script wrote. It may have left neither time nor memory to say so: there is a little more of both for this."""
    context.set_memory_limit(limits["memory"] + ENVELOPE)
    context.set_time_limit(limits["seconds"])
    try:
        return json.loads(door("log"))
    except (quickjs.JSException, TypeError, ValueError):
        return ""


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
    text = text[:MOST_TEXT]
    if text.startswith("InternalError: out of memory"):
        return stopped("memory", MEMORY)
    lines = (int(found[1]) for found in _PLACE.finditer(stack[:MOST_STACK]))
    return stopped("error", text, next((line for line in lines if line <= OURS), None))


def largest() -> int:
    """Bytes of memory that this process ever had at once."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def stopped(trouble: str, detail: str, line: int | None = None) -> dict[str, Any]:
    return {"trouble": trouble, "detail": detail, "line": line}


def obituary(status: int, *, late: bool, full: bool) -> dict[str, Any]:
    if full:
        return stopped("output", "it said more than it can have to say")
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU)):
        return stopped("time", "it took too much time and did not let itself be stopped")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return stopped("memory", "it was killed; it took too much memory, or too much time")
    return stopped("crash", "the script engine broke down over it")


def collect(pipe: int, until: float, found: bytearray) -> tuple[int, bool]:
    """Read all that comes into `found`: how much, and whether it ended by itself; not when it is late or too much, or when the
    server is gone. That shows only after the child's first word: until then what can be read there is the child's.
    """
    size = 0
    with memoryview(found) as view:
        while size < len(found) and (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([pipe, 0] if size else [pipe], [], [], left)
            if ready != [pipe]:
                break
            count = os.readv(pipe, [view[size:]])
            if not count:
                return size, True
            size += count
    return size, False


def written(result: dict[str, Any]) -> bytes:
    """As JSON in UTF-8, which has no lone surrogates."""
    return json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")


def tell(result: bytes | memoryview) -> None:
    write_all(1, struct.pack(">I", len(result)))
    write_all(1, result)


def read_frame(file: int) -> bytes:
    """Raises EOFError."""
    return read_exactly(file, struct.unpack(">I", read_exactly(file, 4))[0])


def read_exactly(file: int, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        part = os.read(file, length - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def write_all(file: int, text: bytes | memoryview) -> None:
    with memoryview(text) as left:
        place = 0
        while place < len(left):
            place += os.write(file, left[place:])


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
