"""How the server begins to listen, how it says that it cannot, and how it ends."""

import asyncio
import contextlib
import socket
import subprocess
import sys

import pytest
import uvloop

from hookwright.api.listening import _addresses
from hookwright.api.server import serve
from hookwright.errors import ConfigurationError
from tests.integration.http_server import GET, App, Server, answer, run, status


def test_a_stop_finishes_the_request_under_way_and_closes_what_is_idle() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (idle, _), server.connect() as (busy, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            await server.app.entered.wait()
            server.stop.set()
            assert await idle.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", server.port)
            server.app.gate.set()
            response = await busy.read()
            assert status(response) == 200
            assert b"connection: close" in response
            await server.task

    run(scenario)


def test_a_stop_lets_a_request_finish_arriving() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (idle, _), server.connect() as (reader, writer):
            writer.write(GET + b"POST / HTTP/1.1\r\nhost: x\r\n")
            assert (await answer(reader))[0] == 200
            server.stop.set()
            assert await idle.read() == b""
            writer.write(b"content-length: 2\r\n\r\nok")
            assert await answer(reader) == (200, b"ok")
            await server.task

    run(scenario)


def test_a_stop_cuts_off_what_outlives_the_grace() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            await server.app.entered.wait()
            server.stop.set()
            await server.task
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""

    run(scenario, grace_seconds=0.1)


def test_a_port_that_is_taken_is_a_configuration_error_of_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError) as caught:
        _serve_at("127.0.0.1", taken.getsockname()[1])
    assert "HOOKWRIGHT_PORT" in str(caught.value)
    assert "Address already in use" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_had_is_a_configuration_error(host: str, port: int) -> None:
    with pytest.raises(ConfigurationError, match="HOOKWRIGHT_HOST"):
        _serve_at(host, port)


def test_a_name_that_does_not_resolve_is_a_configuration_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigurationError) as caught:
        _serve_at("no-such-host.invalid", 8071)
    assert str(caught.value) == "HOOKWRIGHT_HOST=no-such-host.invalid, HOOKWRIGHT_PORT=8071: cannot listen there: Name or service not known"


def test_a_name_server_that_does_not_answer_keeps_neither_the_start_nor_the_end() -> None:
    program = """
import asyncio, socket, threading, uvloop
from hookwright.api import listening, server
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
listening.LOOKUP_SECONDS = 0.05
uvloop.run(server.serve(None, host="no-such-host.invalid", port=0, stop=asyncio.Event()))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith("HOOKWRIGHT_HOST=no-such-host.invalid: no name server has answered for 0.05 s")


def test_a_name_is_listened_on_at_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*_: object, **__: object) -> object:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert asyncio.run(_addresses("two.invalid")) == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "fe80::1%lo"])
def test_an_address_is_not_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    assert asyncio.run(_addresses(host)) == [host]


def _serve_at(host: str, port: int) -> None:
    async def main() -> None:
        await serve(App(), host=host, port=port, stop=asyncio.Event())

    uvloop.run(main())
