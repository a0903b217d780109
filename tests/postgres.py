"""A PostgreSQL server of the tests' own: real, on loopback, with durable commits, gone when the tests end.

`python -m tests.postgres` says where the programs are that it needs, and fails if one is missing.
"""

import asyncio
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.ports import free_port

OLDEST = 13
SETTINGS = {"shared_buffers": "64MB", "max_connections": "200", "listen_addresses": "127.0.0.1", "timezone": "UTC"}
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")
PORTS_TRIED = 5
GUARD = 'cat; "$0" -D "$1/data" -m immediate -w stop; rm -rf "$1"'
"""Ends the server when its standard input does: that happens even if the tests are killed."""


class Postgres:
    """`port` is where it listens; `stop` and `start` may be called in the middle of a test."""

    def __init__(self, folder: Path, binaries: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.port, self._binaries, self._settings = folder, 0, binaries, settings
        self.data = folder / "data"

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def create(self) -> None:
        """A cluster, running on a free port: another process may be faster, then it is another one."""
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in ({**SETTINGS, **self._settings}).items())
            file.write(f"unix_socket_directories = '{self.folder}'\n")
        for tried in range(1, PORTS_TRIED + 1):
            self.port = free_port()
            try:
                return self.start()
            except RuntimeError:
                if tried == PORTS_TRIED:
                    raise
        return None

    def start(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-o", f"-p {self.port}", "-w", "-t", 60, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", 60, "stop")

    @property
    def pid(self) -> int:
        """Of the process that all others of this server descend from."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def execute(self, *statements: str, database: str = "postgres") -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.url(database))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Stopped, and its folder removed, at the end of the block or of this process."""
        command = ["sh", "-c", GUARD, str(self._binaries / "pg_ctl"), str(self.folder)]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", "start_new_session": True}
        with subprocess.Popen(command, stdin=subprocess.PIPE, **quiet, **unprivileged()):
            yield

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        log = self.folder / "output"  # not a pipe: the server would keep it open
        with log.open("wb") as output:
            done = subprocess.run(
                command, cwd=self.folder, stdout=output, stderr=output, env={"LC_ALL": "C.UTF-8"}, **unprivileged(), check=False
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {log.read_text()}")


@contextmanager
def running_postgres(**settings: str) -> Iterator[Postgres]:
    """With `settings` of its configuration file. Raises RuntimeError, saying what is to be installed, if there is no server."""
    server = Postgres(own_folder("postgres"), binaries(), settings)
    with server.guarded():
        server.create()
        yield server


def binaries() -> Path:
    """Of the newest PostgreSQL on this machine. Raises RuntimeError if there is none that is new enough."""
    config = shutil.which("pg_config")
    named = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip() if config else ""
    on_path = shutil.which("initdb")
    found = [Path(named)] if named else []
    found += [Path(on_path).resolve().parent] if on_path else []
    found += [path for place in PLACES for path in Path("/").glob(place.removeprefix("/"))]
    versions = {path: _version(path) for path in found if (path / "initdb").exists() and (path / "postgres").exists()}
    best = max(versions, key=lambda path: versions[path], default=None)
    if best is None or versions[best] < OLDEST:
        raise RuntimeError(f"PostgreSQL's server ({OLDEST} or newer) is not installed: run `make .venv/dev`, or install it")
    return best


def _version(path: Path) -> int:
    said = subprocess.run([path / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0


def unprivileged() -> dict[str, Any]:
    """For `subprocess`: these servers refuse to run as root. Raises RuntimeError."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError as error:
        raise RuntimeError("as root the tests run PostgreSQL as the user `postgres`, who does not exist") from error
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def own_folder(name: str) -> Path:
    """One that the server can write to."""
    folder = Path(tempfile.mkdtemp(prefix=f"hookwright-{name}-"))
    if unprivileged():
        shutil.chown(folder, "postgres", "postgres")
    return folder


if __name__ == "__main__":
    from tests.pgbouncer import program

    print(binaries(), program(), sep="\n")
