"""A pgbouncer in transaction mode before a server of the tests: each transaction may find another connection."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ports import free_port
from tests.postgres import Postgres, own_folder, unprivileged

CONNECTIONS = 4
"""Fewer than a store opens, so that they are shared."""
CONFIG = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {connections}
logfile = {folder}/log
"""


@contextmanager
def running_pgbouncer(server: Postgres) -> Iterator[int]:
    """Its port."""
    folder, port = own_folder("pgbouncer"), free_port()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "config").write_text(CONFIG.format(server=server.port, port=port, folder=folder, connections=CONNECTIONS))
    try:
        with subprocess.Popen([program(), "-q", str(folder / "config")], cwd="/", **unprivileged()) as process:
            try:
                _wait(port, process)
                yield port
            finally:
                process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def program() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("pgbouncer is not installed: run `make .venv/dev`, or install your system's package for it")
    return found


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it answers: no event of another process can be awaited."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("pgbouncer did not start")
