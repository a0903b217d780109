"""`hookwright serve --workers N`: several processes behind one port, begun, watched and ended as one."""

import base64
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.harness import Receiver, ServerProcess, free_port
from tests.integration.cli import hookwright
from tests.integration.postgres import asked
from tests.integration.test_cli import one_line
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.long
KEY = f"k1:{base64.b64encode(bytes(32)).decode()}"


def children(server: ServerProcess) -> list[int]:
    assert server.process is not None
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()]
    return []


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@contextlib.contextmanager
def serving(folder: Path, database: str, workers: int = 3, **environment: str) -> Iterator[ServerProcess]:
    server = ServerProcess(
        folder, free_port(), HOOKWRIGHT_DATABASE=database, HOOKWRIGHT_ENCRYPTION_KEYS=KEY, HOOKWRIGHT_WORKERS=str(workers), **environment
    )
    with server:
        eventually(lambda: '"listening"' in server.log(), "not every process is ready")
        try:
            yield server
        finally:
            if server.process is not None and server.process.poll() is None:
                server.stop()


class Producer:
    """Every request on a connection of its own, repeated under its key until it is answered."""

    def __init__(self, server: ServerProcess) -> None:
        self.url, self._headers = f"{server.url}/api/v1", {"authorization": f"Bearer {server.token}"}

    def post(self, path: str, body: object, key: str = "") -> httpx.Response:
        return httpx.post(self.url + path, json=body, headers=self._headers | ({"idempotency-key": key} if key else {}), timeout=30)

    def set_up(self, receiver: Receiver) -> None:
        assert self.post("/app", {"name": "a", "uid": "a"}).is_success
        assert self.post("/app/a/endpoint", {"url": receiver.url}).is_success

    def send(self, n: int) -> str | None:
        """The id of the message that was acknowledged."""
        try:
            answer = self.post("/app/a/msg", {"eventType": "a.b", "payload": {"n": n}}, f"key-{n}")
        except httpx.TransportError:
            return None
        return str(answer.json()["id"]) if answer.is_success else None


def arrived(receiver: Receiver) -> set[str | None]:
    return {request.header("webhook-id") for request in receiver.requests}


def test_every_process_accepts_and_delivers_behind_one_port(tmp_path: Path, database: str) -> None:
    released = threading.Event()

    def answer(_: object) -> web.Response:
        released.wait(PATIENCE)
        return web.Response()

    with Receiver(lambda request: _later(answer, request)) as receiver, serving(tmp_path, database) as server:
        producer = Producer(server)
        producer.set_up(receiver)
        sent = [producer.send(n) for n in range(90)]
        assert len({row[0] for row in asked(database, "select distinct owner from deliveries where owner <> 0")}) == 3
        assert len(asked(database, "select epoch from nodes")) == 3
        released.set()
        eventually(lambda: arrived(receiver) >= set(sent), "not everything arrived")
        assert server.log().count('"listening"') == 1


async def _later(answer: Callable[[object], web.Response], request: object) -> web.StreamResponse:
    import asyncio

    return await asyncio.to_thread(answer, request)


def test_a_process_that_is_killed_is_begun_anew_and_nothing_is_lost(tmp_path: Path, database: str) -> None:
    with Receiver() as receiver, serving(tmp_path, database, HOOKWRIGHT_LEASE="2") as server:
        producer = Producer(server)
        producer.set_up(receiver)
        before = children(server)
        sent = {producer.send(n) for n in range(30)}
        os.kill(before[1], signal.SIGKILL)
        for n in range(30, 90):
            sent.add(producer.send(n))
        eventually(lambda: len(children(server)) == 3 and before[1] not in children(server), "it is not begun anew")
        eventually(lambda: arrived(receiver) >= sent - {None}, "what was acknowledged did not arrive")
        assert len(sent - {None}) > 60
        assert server.log().count("a process ended and is begun anew") == 1
        assert server.stop() == 0


def test_a_stop_under_load_ends_all_with_nothing_lost(tmp_path: Path, database: str) -> None:
    with Receiver() as receiver, serving(tmp_path, database, workers=2) as server:
        producer = Producer(server)
        producer.set_up(receiver)
        sent: set[str | None] = set()
        stopped = threading.Event()

        def load(first: int) -> None:
            n = first
            while not stopped.is_set():
                sent.add(producer.send(n))
                n += 4

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        receiver.wait_for(20)
        pids = children(server)
        status = server.stop()
        stopped.set()
        for thread in threads:
            thread.join()
        assert status == 0
        assert not any(map(alive, pids))
        live = {row[0] for row in asked(database, "select message from deliveries where owner = 0")}
        assert sent - {None} <= arrived(receiver) | live
        assert not asked(database, "select 1 from deliveries where owner <> 0")
        assert '"stopped"' in server.log()


def test_no_process_outlives_its_supervisor(tmp_path: Path, database: str) -> None:
    with serving(tmp_path, database) as server:
        pids = children(server)
        assert len(pids) == 3
        server.kill()
        eventually(lambda: not any(map(alive, pids)), "a process was left behind")
        assert asked(database, "select epoch from nodes") == []


def test_what_keeps_the_first_process_from_starting_is_said_once_and_ends_all(tmp_path: Path, database: str) -> None:
    run = hookwright(tmp_path, "serve", "--port", "0", "--workers", "2", database=database, jwt_secret="s" * 40)
    assert run.status == 2
    assert "HOOKWRIGHT_ENCRYPTION_KEYS is not set" in one_line(run.err)


def test_a_port_that_others_share_is_refused_to_a_second_server(tmp_path: Path, database: str) -> None:
    with serving(tmp_path, database, workers=2) as server:
        known: dict[str, Any] = {"database": database, "jwt_secret": "s" * 40, "encryption_keys": KEY}
        for workers in ("1", "2"):
            run = hookwright(tmp_path, "serve", "--port", str(server.port), "--workers", workers, **known)
            assert run.status == 2
            assert f"HOOKWRIGHT_PORT={server.port}: cannot listen there: Address already in use" in one_line(run.err)


@pytest.mark.parametrize(("option", "value"), [("workers", "2"), ("role", "api"), ("role", "worker")])
def test_a_file_has_one_owner_so_one_process_does_everything(tmp_path: Path, option: str, value: str) -> None:
    run = hookwright(tmp_path, "serve", "--port", "0", f"--{option}", value)
    assert run.status == 2
    assert one_line(run.err).startswith(f"hookwright: HOOKWRIGHT_{option.upper()}={value} needs several processes on one database")
    assert "a SQLite file has one owner" in run.err
