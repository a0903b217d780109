"""Floods against the whole program: the most memory that it ever had (VmHWM) hardly moves.

Each test has a process of its own. In one that was flooded before, growth below the earlier peak would not be seen, nor
what is taken from memory that the allocator has kept.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness import ServerProcess, free_port

pytestmark = pytest.mark.long

FLOOD, PIECE = 200, b"v" * 1_000_000
GROWTH_KIB = 16 * 1024
LARGE = 50_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, free_port()) as started:
        yield started


def high_water(server: ServerProcess) -> int:
    """KiB."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def first_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        return file.readline()


@pytest.mark.parametrize(
    ("start", "refused"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\na: ", b"HTTP/1.1 431 "),
        (b"GET /", b"HTTP/1.1 431 "),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: ", b"HTTP/1.1 400 "),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;a=", b"HTTP/1.1 400 "),
    ],
    ids=["header", "target", "trailer", "chunk extension"],
)
def test_200_megabytes_without_end_leave_memory_as_it_was(server: ServerProcess, start: bytes, refused: bytes) -> None:
    before = high_water(server)
    with connect(server) as connection:
        connection.sendall(start + PIECE[:100_000])
        # A trailer or an extension may break a request that has its answer already.
        assert first_line(connection).startswith((refused, b"HTTP/1.1 404 "))
        with contextlib.suppress(ConnectionError):
            for _ in range(FLOOD):
                connection.sendall(PIECE)
    assert high_water(server) - before < GROWTH_KIB


@pytest.mark.parametrize("line", [b"", b"connection: close\r\n"], ids=["kept", "last"])
@pytest.mark.parametrize("authorized", [True, False], ids=["authorized", "unauthorized"])
@pytest.mark.parametrize("path", ["/api/v1/app/x/msg", "/api/v1/app"])
def test_the_refusal_of_a_body_of_50_megabytes_can_be_read_when_all_of_it_is_sent(
    server: ServerProcess, path: str, authorized: bool, line: bytes
) -> None:
    before = high_water(server)
    token = server.token if authorized else "none"
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {LARGE}\r\n".encode()
    with connect(server) as connection:
        connection.sendall(head + line + b"\r\n")
        for _ in range(LARGE // len(PIECE)):
            connection.sendall(PIECE)
        assert first_line(connection).split()[1] in (b"413", b"401")
        if not line:
            with contextlib.closing(connect(server)) as other:  # and the server is well
                other.sendall(b"GET /api/v1/health/ping HTTP/1.1\r\nhost: x\r\n\r\n")
                assert first_line(other).startswith(b"HTTP/1.1 204 ")
    assert high_water(server) - before < GROWTH_KIB


def test_a_body_in_chunks_is_refused_when_it_has_become_too_large(server: ServerProcess) -> None:
    before = high_water(server)

    def body() -> Iterator[bytes]:
        for _ in range(LARGE // len(PIECE)):
            yield PIECE

    answer = httpx.post(f"{server.url}/api/v1/app/x/msg", content=body(), headers={"authorization": f"Bearer {server.token}"}, timeout=60)
    assert answer.status_code == 413
    assert high_water(server) - before < GROWTH_KIB
