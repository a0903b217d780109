"""The three processes of a measurement: the server as users start it, a sink, a generator. And what /proc says of one."""

import base64
import contextlib
import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import jwt
import msgspec

from bench import processes
from bench.generator import Load, Sent
from bench.sink import decode
from hookwright.domain.organizations import DEFAULT_ORGANIZATION

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
RING = f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
"""The same for every server of one run: a second one may be started over the database of the first."""


def call(port: int, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, bytes]:
    """One request on a connection of its own; status and body. Raises OSError."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Server:
    """`hookwright serve` in a folder of its own, and there on a fresh SQLite file unless `environment` names a database."""

    def __init__(self, folder: Path, python: str = sys.executable, **environment: str) -> None:
        self.database = folder / "hookwright.db"
        self._log = folder / "server.log"
        self._secret = secrets.token_hex(32)
        self.token = self.token_of(DEFAULT_ORGANIZATION)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKWRIGHT_")}
        settings = {
            "HOOKWRIGHT_PORT": "0",
            "HOOKWRIGHT_DATABASE": f"sqlite:///{self.database}",
            "HOOKWRIGHT_JWT_SECRET": self._secret,
            "HOOKWRIGHT_ENCRYPTION_KEYS": RING,
            "HOOKWRIGHT_ALLOW_NETWORKS": "127.0.0.0/8",
            "HOOKWRIGHT_LOG_FORMAT": "json",
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "hookwright", "serve"], env=kept | settings | environment, stdout=log, stderr=log
            )
        self.port = self._wait()

    def _wait(self) -> int:
        """The port that its log names."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            for line in self._log.read_text().splitlines():
                if '"event": "listening"' in line:
                    return int(json.loads(line)["url"].rsplit(":", 1)[1])
            time.sleep(0.005)
        raise RuntimeError(f"the server did not start: {self._log.read_text()}")

    def token_of(self, organization: str) -> str:
        return jwt.encode({"sub": organization}, self._secret, algorithm="HS256")

    def create(self, path: str, body: Any, token: str | None = None) -> dict[str, Any]:
        status, answered = call(self.port, "POST", path, body, token or self.token)
        if status // 100 != 2:
            raise RuntimeError(f"{path}: {status} {answered!r}")
        created: dict[str, Any] = json.loads(answered)
        return created

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.process.pid)

    def memory_mib(self, field: str) -> float:
        """`VmRSS`: resident now; `VmHWM`: the most it ever was."""
        return processes.memory_mib(self.process.pid, field)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class SinkProcess:
    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        self.port = int(_pipe(self.process.stdout).readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def count(self) -> int:
        return int(call(self.port, "GET", "/count")[1])

    def arrivals(self) -> dict[str, list[tuple[str, float]]]:
        return decode(call(self.port, "GET", "/arrivals")[1])

    def forget(self) -> None:
        """What has arrived so far was not part of what is measured."""
        call(self.port, "DELETE", "/arrivals")

    def revive(self) -> None:
        """What was dead answers from now on."""
        call(self.port, "PUT", "/alive")

    def wait_for(self, expected: int, patience: float) -> None:
        """Until that many have arrived, or nothing has for `patience` seconds."""
        seen, since = -1, time.monotonic()
        while (count := self.count()) < expected and time.monotonic() - since < patience:
            if count != seen:
                seen, since = count, time.monotonic()
            time.sleep(0.02)

    def end(self) -> None:
        _pipe(self.process.stdin).close()
        self.process.wait()
        _pipe(self.process.stdout).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


@contextlib.contextmanager
def world(**environment: str) -> Iterator[tuple[Server, SinkProcess]]:
    """A server and a sink, gone at the end with all they wrote."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sink = SinkProcess()
        try:
            server = Server(Path(folder), **environment)
            try:
                yield server, sink
            finally:
                server.end()
        finally:
            sink.end()


def generate(load: Load) -> Sent:
    """Carry out a load in a process of its own."""
    with tempfile.TemporaryFile() as report:
        command = [sys.executable, "-m", "bench.generator"]
        done = subprocess.run(command, input=msgspec.json.encode(load), stdout=report, check=True, cwd=ROOT)
        report.seek(0)
        written = report.read()
    try:
        return msgspec.json.decode(written, type=Sent)
    except msgspec.DecodeError as error:
        raise RuntimeError(f"{done.args} ended with {done.returncode}, but its report of {len(written)} bytes is not whole") from error
