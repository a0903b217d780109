"""Scripts in real processes: what is done for a good one, and that a bad one harms nobody."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hookwright.errors import Busy
from hookwright.sandbox import Draft, Returned, Script, Stopped, Tenant
from hookwright.sandboxes import workers
from hookwright.sandboxes.pool import ProcessSandbox
from hookwright.sandboxes.workers import Limits, Worker, WorkerGone
from tests.integration.sockets import Run
from tests.scripts import GAMES, GREEDY, HOSTILE, MISTAKEN, script
from tests.waiting import until

SMALL = Limits(seconds=0.2, memory=16 * 1024 * 1024, output=100_000)
"""So that what never ends does so soon. Of the processor's time: a busy machine makes none of these fail."""
GENEROUS = Limits(seconds=20.0, memory=64 * 1024 * 1024)
KEPT = "function handler(w) { w.payload.seen = true; return w; }"


@asynccontextmanager
async def sandbox(limits: Limits = GENEROUS, workers: int = 1) -> AsyncIterator[ProcessSandbox]:
    opened = ProcessSandbox(limits, workers=workers)
    try:
        yield opened
    finally:
        await opened.close()


def run_once(given: Script, limits: Limits = GENEROUS) -> Returned | Stopped:
    async def story() -> Returned | Stopped:
        async with sandbox(limits) as opened:
            return await opened.run(given)

    return asyncio.run(story())


def answer(given: Script, limits: Limits = GENEROUS) -> dict[str, Any]:
    ran = run_once(given, limits)
    assert isinstance(ran, Returned), ran
    found: dict[str, Any] = json.loads(ran.answer)
    return found


def children(of: int) -> set[int]:
    """All processes under this one, however deep."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == of:
                found |= {int(entry.name)} | children(int(entry.name))
    return found


def ended(pid: int) -> bool:
    """Or only waits for somebody to hear of it: whoever takes orphans in here may take its time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def test_what_a_handler_returns_comes_back() -> None:
    code = "function handler(w) { w.method = 'PUT'; w.headers = {'X-A': w.eventType}; w.payload.n += 1; return w; }"
    found = answer(script(code, webhook='{"eventType": "a.b", "url": "http://a/"}'))
    assert found == {"method": "PUT", "url": "http://a/", "headers": {"X-A": "a.b"}, "kind": "json", "body": '{"n":2}'}


def test_a_promise_is_waited_for() -> None:
    code = "const later = async n => n + 1; async function handler(w) { w.payload.n = await later(w.payload.n); return w; }"
    assert answer(script(code))["body"] == '{"n":2}'


@pytest.mark.parametrize("payload", ['{"n": 1.0, "big": 12345678901234567890}', '{"a": "\\u00e9\\ud800"}'])
def test_a_payload_that_was_left_alone_is_told_so(payload: str) -> None:
    found = answer(script("function handler(w) { w.url = 'http://b/'; return w; }", payload))
    assert found == {"url": "http://b/", "kind": "same"}


def test_what_is_no_json_is_given_and_taken_as_a_text() -> None:
    found = answer(script("function handler(w) { w.payload = w.payload.toUpperCase(); return w; }", "up\n", is_json=False))
    assert found == {"kind": "text", "body": "UP\n"}


def test_odd_texts_arrive() -> None:
    code = r"function handler(w) { return {payload: {t: 'é☃😀\u0000\ud800' + w.payload.t}}; }"
    assert json.loads(answer(script(code, '{"t": "ü"}'))["body"])["t"] == "é☃😀\0\ud800ü"


def test_what_a_script_logs_is_kept_up_to_a_length() -> None:
    code = "function handler(w) { console.log('a', {b: 1}, [2], null, undefined); console.error(new Error('c')); return w; }"
    ran = run_once(script(code))
    assert ran.log == ('a {"b":1} [2] null undefined', "Error: c")
    ran = run_once(script("function handler(w) { for (let i = 0; i < 1e5; i++) console.log('line'); return w; }"))
    assert 1000 < len(ran.log) < 10_000


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_never_ends_is_stopped_for_its_time(code: str) -> None:
    ran = run_once(script(code), SMALL)
    assert isinstance(ran, Stopped), ran
    assert ran.trouble in ("time", "memory"), ran


@pytest.mark.parametrize("code", GREEDY.values(), ids=GREEDY.keys())
def test_what_takes_ever_more_memory_is_stopped(code: str) -> None:
    ran = run_once(script(code), SMALL)
    assert isinstance(ran, Stopped), ran
    own = ("RangeError: BigInt is too large", "InternalError: string too long")  # the language's own limits
    assert ran.trouble in ("memory", "time") or ran.detail.startswith(own), ran


@pytest.mark.parametrize(("code", "line"), MISTAKEN.values(), ids=MISTAKEN.keys())
def test_a_mistake_is_told_with_its_line(code: str, line: int | None) -> None:
    ran = run_once(script(code))
    assert isinstance(ran, Stopped), ran
    assert ran.trouble == "error", ran
    assert ran.detail
    assert line is None or ran.line == line, ran
    assert "/" not in ran.detail and ".py" not in ran.detail


@pytest.mark.parametrize("code", GAMES.values(), ids=GAMES.keys())
def test_games_with_prototypes_harm_nobody_else(code: str) -> None:
    async def story() -> None:
        async with sandbox() as opened:
            await opened.run(script(code))
            after = await opened.run(script(KEPT))
            assert isinstance(after, Returned), after
            assert json.loads(after.answer) == {"kind": "json", "body": '{"n":1,"seen":true}'}

    asyncio.run(story())


def test_an_answer_beyond_the_limit_is_refused() -> None:
    code = "function handler(w) { w.payload = 'x'.repeat(2e5); return w; }"
    ran = run_once(script(code), SMALL)
    assert isinstance(ran, Stopped) and ran.trouble == "output", ran
    assert len(answer(script(code), GENEROUS)["body"]) == 200_000


def test_nothing_of_a_script_is_there_for_the_next() -> None:
    async def story() -> None:
        async with sandbox() as opened:
            await opened.run(script("globalThis.kept = 1; Object.prototype.kept = 2; function handler(w) { return w; }"))
            after = await opened.run(script("function handler(w) { w.payload = [typeof kept, {}.kept === undefined]; return w; }"))
            assert isinstance(after, Returned)
            assert json.loads(after.answer)["body"] == '["undefined",true]'

    asyncio.run(story())


def test_a_script_finds_nothing_to_reach_out_with() -> None:
    names = ["std", "os", "fetch", "require", "process", "XMLHttpRequest", "WebSocket", "load", "print", "Worker", "setTimeout"]
    code = f"const known = {json.dumps(names)};function handler(w) {{ w.payload = known.filter(name => name in globalThis); return w; }}"
    assert answer(script(code))["body"] == "[]"


@pytest.mark.parametrize(
    "code", ["import 'os'; function handler(w) { return w; }", "function handler(w) { return import('os').then(() => w); }"]
)
def test_a_script_loads_no_modules(code: str) -> None:
    ran = run_once(script(code))
    assert isinstance(ran, Stopped) and ran.trouble == "error", ran


def test_no_process_is_begun_before_the_first_script_and_none_is_left_after_the_last(run: Run) -> None:
    async def story() -> None:
        opened = ProcessSandbox(SMALL, workers=2)
        before = children(os.getpid())
        await asyncio.gather(*(opened.run(script(code, tenant=f"app_{n}")) for n, code in enumerate([KEPT, HOSTILE["endless loop"], KEPT])))
        assert len(children(os.getpid()) - before) == 2
        await opened.close()
        assert children(os.getpid()) <= before

    run(story())


def test_a_process_that_was_killed_between_two_scripts_is_replaced() -> None:
    async def story() -> None:
        before = children(os.getpid())
        async with sandbox() as opened:
            await opened.run(script(KEPT))
            for pid in children(os.getpid()) - before:
                os.kill(pid, 9)
            assert isinstance(await opened.run(script(KEPT)), Returned)

    asyncio.run(story())


def test_a_worker_has_no_environment_no_files_and_no_rights() -> None:
    async def story() -> None:
        before = children(os.getpid())
        async with sandbox() as opened:
            await opened.run(script(KEPT))
            (pid,) = children(os.getpid()) - before
            process = Path(f"/proc/{pid}")
            assert (process / "environ").read_bytes() in (b"", b"LC_CTYPE=C.UTF-8\0")
            opened_files = {str(each.readlink()) for each in (process / "fd").iterdir()}
            assert {each.partition(":")[0] for each in opened_files} <= {"socket", "/dev/null"}
            status = (process / "status").read_text()
            assert "\nNoNewPrivs:\t1\n" in status
            assert (process / "oom_score_adj").read_text() == "1000\n"
            if os.getuid() == 0:
                assert "\nUid:\t65534\t65534\t65534\t65534\n" in status
                assert "\nGroups:\t \n" in status

    asyncio.run(story())


def test_one_tenants_endless_loops_keep_no_other_from_its_turn() -> None:
    """With two places, one loops for ever and hundreds more of its kind wait; others go on beside it."""

    async def story() -> None:
        async with sandbox(Limits(seconds=1.0), workers=2) as opened:
            loops = [asyncio.create_task(opened.run(script(HOSTILE["endless loop"], tenant="bad"))) for _ in range(20)]
            await asyncio.sleep(0)
            good = [await opened.run(script(KEPT, tenant="good")) for _ in range(5)]
            assert all(isinstance(each, Returned) for each in good), good
            assert sum(loop.done() for loop in loops) < len(loops)
            for loop in loops:
                loop.cancel()
            await asyncio.wait(loops)

    asyncio.run(story())


def test_who_is_cancelled_takes_its_script_along(run: Run) -> None:
    async def story() -> None:
        async with sandbox() as opened:
            before = children(os.getpid())
            task = asyncio.create_task(opened.run(script(HOSTILE["endless loop"])))
            await until(lambda: len(children(os.getpid()) - before) == 2)
            task.cancel()
            await asyncio.wait([task])
            assert isinstance(await opened.run(script(KEPT)), Returned)
            await until(lambda: len(children(os.getpid()) - before) == 1)

    run(story())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_meant_for_the_server_ends_no_script(number: int) -> None:
    """A service manager sends it to all processes of a service: what the server still waits for is not to fail of that."""

    async def story() -> None:
        before = children(os.getpid())
        async with sandbox() as opened:
            await opened.run(script(KEPT))
            begun = children(os.getpid()) - before
            for pid in begun:
                os.kill(pid, number)
            assert isinstance(await opened.run(script(KEPT)), Returned)
            assert children(os.getpid()) - before == begun

    asyncio.run(story())


def test_a_process_that_is_killed_under_a_script_leaves_it_to_another(run: Run) -> None:
    async def story() -> None:
        before = children(os.getpid())
        async with sandbox(Limits(seconds=2.0)) as opened:
            task = asyncio.create_task(opened.run(script(HOSTILE["endless loop"])))
            await until(lambda: len(children(os.getpid()) - before) == 2)
            worker, child = sorted(children(os.getpid()) - before)
            os.kill(worker, signal.SIGKILL)
            ran = await task
            assert isinstance(ran, Stopped) and ran.trouble == "time", ran
            await until(lambda: ended(child))

    run(story())


def test_a_script_that_ends_every_process_that_it_is_given_to_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(self: Worker, request: Any) -> Any:
        raise WorkerGone("ended")

    monkeypatch.setattr(Worker, "ask", gone)
    ran = run_once(script(KEPT))
    assert isinstance(ran, Stopped) and ran.trouble == "crash", ran


NO_FORK = f"""
import os, runpy
def fork(): raise BlockingIOError
os.fork = fork
runpy.run_path({str(workers.PROGRAM)!r}, run_name="__main__")
"""


@pytest.mark.parametrize("program", ["raise SystemExit", "import time; time.sleep(100)", "print('{}' * 100)", NO_FORK])
def test_where_no_process_comes_up_no_script_is_to_blame(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text(program)
    monkeypatch.setattr(workers, "PROGRAM", tmp_path / "worker.py")
    monkeypatch.setattr(workers, "COMING_UP_SECONDS", 1.0)
    with pytest.raises(Busy):
        run_once(script(KEPT))


def test_who_is_cancelled_while_a_process_begins_leaves_none(run: Run) -> None:
    async def story() -> None:
        before = children(os.getpid())
        async with sandbox() as opened:
            task = asyncio.create_task(opened.run(script(KEPT)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await opened.close()
            assert children(os.getpid()) <= before

    run(story())


def test_a_process_that_nobody_needs_any_more_is_ended_and_begun_again_when_it_is_needed(run: Run) -> None:
    async def story() -> None:
        before = children(os.getpid())
        opened = ProcessSandbox(GENEROUS, workers=2, quiet=0.05)
        for _ in range(2):
            assert isinstance(await opened.run(script(KEPT)), Returned)
            await until(lambda: children(os.getpid()) <= before)
        await opened.close()

    run(story())


def test_the_next_script_runs_in_a_copy_of_a_process_that_knows_nothing_of_the_last() -> None:
    """What a mistake of the engine's would let it read: the memory that a child begins with is its worker's."""
    secret = "what one tenant trusted us with" * 20

    async def story() -> None:
        before = children(os.getpid())
        async with sandbox() as opened:
            ran = await opened.run(
                script(f"/* {secret} */ {KEPT}", json.dumps({"secret": secret}), webhook=json.dumps({"variables": secret}))
            )
            assert isinstance(ran, Returned) and secret in ran.answer
            (worker,) = children(os.getpid()) - before
            found = memory_of(worker)
            assert b"which JSON cannot say" in found
            assert secret[:48].encode() not in found

    asyncio.run(story())


def memory_of(pid: int) -> bytes:
    """All that a process could read of its own; of one that is nobody's the system may not let us."""
    found = bytearray()
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                place, rights, *_ = line.split()
                if rights.startswith("rw") and "[v" not in line:
                    first, last = (int(each, 16) for each in place.split("-"))
                    memory.seek(first)
                    found += memory.read(last - first)
    except PermissionError:
        pytest.skip("this user may not read another process's memory")
    return bytes(found)


def test_what_a_script_would_fail_of_whatever_it_is_given_is_told_before() -> None:
    async def story() -> None:
        async with sandbox(SMALL) as opened:

            async def checked(code: str) -> Stopped | None:
                return await opened.check(Draft(tenant=Tenant("org_1", "app_1"), code=code))

            assert await checked(KEPT) is None
            assert await checked("function handler(w) { return nothing.at.all; }") is None
            for code, trouble, line in (
                ("function handler(w) {\n  return w;\n", "error", 3),
                ("\nnothing.at.all;\n" + KEPT, "error", 2),
                ("const other = 1;", "error", None),
                ("for (;;) {}", "time", None),
                ("throw 'x'.repeat(5e6);", "error", None),
            ):
                wrong = await checked(code)
                assert wrong is not None and wrong.trouble == trouble, (code, wrong)
                assert line is None or wrong.line == line, wrong
                assert len(wrong.detail) < 3000

    asyncio.run(story())


def test_a_script_that_leaves_no_memory_is_told_of_that_and_of_what_it_wrote() -> None:
    code = (
        "const all = []; function handler(w) { console.log('here');"
        " for (let n = 1 << 20; n > 4;) try { for (;;) all.push(new Uint8Array(n)); } catch { n >>= 1; } }"
    )
    ran = run_once(script(code), Limits(seconds=20.0, memory=16 * 1024 * 1024))
    assert isinstance(ran, Stopped) and ran.trouble in ("memory", "error"), ran
    assert ran.log[:1] == ("here",)


def test_with_the_server_killed_its_scripts_end_too(run: Run) -> None:
    program = (
        "import asyncio\n"
        "from hookwright.sandboxes.pool import ProcessSandbox\n"
        "from hookwright.sandboxes.workers import Limits\n"
        "from tests.scripts import HOSTILE, script\n"
        "asyncio.run(ProcessSandbox(Limits(seconds=30.0), workers=1).run(script(HOSTILE['endless loop'])))\n"
    )

    async def story() -> None:
        server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=Path(__file__).parents[2])
        await until(lambda: len(children(server.pid)) == 2)
        left = children(server.pid)
        server.kill()
        await server.wait()
        await until(lambda: all(ended(pid) for pid in left))

    run(story())
