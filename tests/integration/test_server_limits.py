"""What a peer may do to the server, over real sockets: every hold on it ends, and well-behaved callers do not notice."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
import uvloop

from hookwright.api.connections import MAX_PIPELINED
from hookwright.api.server import Limits, serve
from hookwright.errors import ConfigurationError

QUICK = Limits(header_seconds=0.3, request_seconds=0.6, body_grace_seconds=0.2, keep_alive_seconds=0.3)
PATIENT = Limits()
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class App:
    """Answers with the request's body, after `gate` opens if the path is /wait. Keeps what it saw."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.headers: list[tuple[bytes, bytes]] = []
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        self.entered.set()
        if scope["path"] == "/wait":
            await self.gate.wait()
        body = b""
        if scope["path"] != "/early":
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.disconnected.set()
                    return
                body += message["body"]
                if not message["more_body"]:
                    break
        self.headers = scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})


class Server:
    def __init__(self, app: App, port: int, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.app, self.port, self.stop, self.task = app, port, stop, task

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def say(self, *pieces: bytes) -> bytes:
        """Everything that is answered to `pieces` until the server closes."""
        async with self.connect() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()


def run(scenario: Callable[[Server], Awaitable[None]], limits: Limits = PATIENT, grace_seconds: float = 5.0) -> None:
    async def main() -> None:
        app, stop = App(), asyncio.Event()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = serve(app, host="127.0.0.1", port=0, limits=limits, stop=stop, ready=port.set_result, grace_seconds=grace_seconds)
        task = asyncio.create_task(serving)
        await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
        server = Server(app, await port, stop, task)
        try:
            await scenario(server)
        finally:
            app.gate.set()
            stop.set()
            await task

    uvloop.run(main())


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One response with a content length: its status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(head.split()[1]), await reader.readexactly(length)


def status(response: bytes) -> int:
    return int(response.split()[1])


# What is answered


def test_requests_are_answered_one_after_another_on_one_connection() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            for body in (b"one", b"three"):
                writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                assert await answer(reader) == (200, body)

    run(scenario)


def test_an_answer_has_a_date_and_does_not_name_the_server() -> None:
    async def scenario(server: Server) -> None:
        response = await server.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert b"\r\ndate: " in response
        assert b"\r\nserver:" not in response

    run(scenario)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            bodies = [str(number).encode() for number in range(20)]
            writer.write(b"".join(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(b), b) for b in bodies))
            assert [await answer(reader) for _ in bodies] == [(200, body) for body in bodies]

    run(scenario)


def test_a_pipeline_without_end_is_cut_after_what_was_accepted_is_answered() -> None:
    async def scenario(server: Server) -> None:
        server.app.gate.set()
        response = await server.say(GET * (MAX_PIPELINED * 5))
        assert response.count(b"HTTP/1.1 200") <= MAX_PIPELINED * 2
        assert response.count(b"HTTP/1.1 200") >= MAX_PIPELINED
        assert response.count(b"HTTP/1.1") == response.count(b"HTTP/1.1 200")

    run(scenario)


def test_a_malformed_request_is_refused_after_the_answers_before_it() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n" + b"nonsense\r\n\r\n")
            await server.app.entered.wait()
            server.app.gate.set()
            assert [(await answer(reader))[0], (await answer(reader))[0]] == [200, 400]
            assert await reader.read() == b""

    run(scenario)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +3\r\n\r\nabc",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"GET / HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\x00c\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 18\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    ],
)
def test_an_ambiguous_or_malformed_request_is_refused(request_bytes: bytes) -> None:
    async def scenario(server: Server) -> None:
        response = await server.say(request_bytes)
        assert status(response) == 400
        assert response.count(b"HTTP/1.1") == 1

    run(scenario)


def test_an_upgrade_is_ignored_and_the_request_is_answered() -> None:
    async def scenario(server: Server) -> None:
        assert status(await server.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")) == 200

    run(scenario)


def test_trailers_do_not_become_headers() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nauthorization: forged\r\n\r\n")
            assert await answer(reader) == (200, b"a")
        assert b"authorization" not in dict(server.app.headers)

    run(scenario)


def test_a_peer_that_has_closed_its_sending_side_still_gets_its_answer() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            writer.write_eof()
            await server.app.entered.wait()
            server.app.gate.set()
            assert await answer(reader) == (200, b"")
            assert await reader.read() == b""

    run(scenario)


def test_a_peer_that_closes_in_the_middle_of_a_body_is_a_disconnect() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
            await server.app.entered.wait()
            writer.write_eof()
            await server.app.disconnected.wait()
            assert await reader.read() == b""

    run(scenario)


# Sizes


def test_headers_at_the_limit_are_taken_and_beyond_it_refused() -> None:
    async def scenario(server: Server) -> None:
        room = PATIENT.header_bytes - len(b"/") - len(b"host: x\r\n") - len(b"a: \r\n") - 64
        fits = b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"v" * room + b"\r\nconnection: close\r\n\r\n"
        assert status(await server.say(fits)) == 200
        assert status(await server.say(b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"v" * PATIENT.header_bytes + b"\r\n\r\n")) == 431

    run(scenario)


def test_a_large_body_in_one_piece_with_its_headers_is_taken() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            body = b"b" * 1_000_000
            for _ in range(2):
                writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                assert await answer(reader) == (200, body)

    run(scenario)


def test_too_many_header_lines_are_refused() -> None:
    async def scenario(server: Server) -> None:
        assert status(await server.say(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n")) == 431

    run(scenario)


@pytest.mark.parametrize(
    ("start", "refused"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\na: ", 431),
        (b"GET /", 431),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: ", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;a=", 400),
    ],
    ids=["header", "target", "trailer", "chunk extension"],
)
def test_200_megabytes_without_end_leave_memory_as_it_was(start: bytes, refused: int) -> None:
    async def scenario(server: Server) -> None:
        flood = b"v" * 1_000_000
        async with server.connect() as (reader, writer):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            writer.write(start)
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    writer.write(flood)
                    await writer.drain()
            assert status(await reader.readuntil(b"\r\n")) == refused
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 32 * 1024  # kilobytes, client and server together

    run(scenario)


def test_a_body_that_the_application_does_not_read_stops_being_taken() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (_, writer):
            writer.write(b"POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
            await server.app.entered.wait()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            piece = b"b" * 1_000_000
            taken = 0
            with contextlib.suppress(TimeoutError):
                while taken < 100:
                    writer.write(piece)
                    async with asyncio.timeout(0.3):  # the server reads nothing for that long
                        await writer.drain()
                    taken += 1
            assert taken < 30  # what both kernels' buffers hold
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024

    run(scenario)


# Times


@pytest.mark.parametrize("start", [b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_header_that_never_ends_is_refused_in_time(start: bytes) -> None:
    async def scenario(server: Server) -> None:
        assert status(await server.say(start)) == 408

    run(scenario, QUICK)


def test_a_header_that_drips_is_refused_in_time() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            response = asyncio.create_task(reader.read())
            with contextlib.suppress(ConnectionError):
                for byte in b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200:
                    if response.done():
                        break
                    writer.write(bytes((byte,)))
                    await asyncio.wait({response}, timeout=0.02)
            assert status(await response) == 408

    run(scenario, QUICK)


def test_the_second_request_on_a_connection_has_its_own_time() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(GET)
            assert (await answer(reader))[0] == 200
            writer.write(b"GET / HTTP/1.1\r\nho")
            assert (await answer(reader))[0] == 408

    run(scenario, QUICK)


@pytest.mark.parametrize("limits", [QUICK, msgspec.structs.replace(QUICK, body_grace_seconds=60.0)], ids=["rate", "whole request"])
def test_a_body_that_drips_is_refused_and_the_application_sees_a_disconnect(limits: Limits) -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n")
            response = asyncio.create_task(reader.read())
            with contextlib.suppress(ConnectionError):
                while not response.done():
                    writer.write(b"b")
                    await asyncio.wait({response}, timeout=0.05)
            assert status(await response) == 408
            await server.app.disconnected.wait()

    run(scenario, limits)


def test_a_body_is_not_late_while_the_application_does_not_read_it() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            body = b"b" * 8_000_000
            writer.write(b"POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await asyncio.wait({asyncio.create_task(reader.read(1))}, timeout=QUICK.request_seconds * 2)
            server.app.gate.set()
            await server.app.entered.wait()
            assert server.app.disconnected.is_set() is False

    run(scenario, QUICK)


@pytest.mark.parametrize("start", [b"", b"\r\n\r\n"])
def test_a_connection_that_asks_nothing_is_closed_without_a_word(start: bytes) -> None:
    async def scenario(server: Server) -> None:
        assert await server.say(start) == b""

    run(scenario, QUICK)


def test_a_connection_that_has_been_answered_is_closed_when_it_is_idle() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(GET)
            assert (await answer(reader))[0] == 200
            assert await reader.read() == b""

    run(scenario, QUICK)


def test_a_request_that_the_application_works_on_has_no_deadline_here() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            await asyncio.sleep(QUICK.request_seconds * 2)  # the time itself is the subject
            server.app.gate.set()
            assert (await answer(reader))[0] == 200

    run(scenario, QUICK)


def test_a_body_that_the_application_did_not_want_does_not_hold_the_connection() -> None:
    async def scenario(server: Server) -> None:
        response = await server.say(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nb")
        assert response.count(b"HTTP/1.1") == 1
        assert status(response) == 200

    run(scenario, QUICK)


# Numbers


def test_2000_idle_connections_do_not_keep_another_caller_from_its_answers() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))

    async def scenario(server: Server) -> None:
        with _idle(server.port, 2000) as sockets:
            async with server.connect() as (reader, writer):
                for _ in range(200):
                    writer.write(GET)
                    assert (await answer(reader))[0] == 200
            assert len(sockets) == 2000

    run(scenario)


@contextlib.contextmanager
def _idle(port: int, count: int) -> Iterator[list[socket.socket]]:
    sockets = []
    try:
        for _ in range(count):
            each = socket.create_connection(("127.0.0.1", port))
            sockets.append(each)
            each.sendall(b"GET / HTTP/1.1\r\n")
        yield sockets
    finally:
        for each in sockets:
            each.close()


@pytest.mark.parametrize("limits", [Limits(max_connections=2), Limits(max_connections_per_address=2)], ids=["total", "address"])
def test_one_connection_too_many_is_told_to_come_back_and_a_freed_place_is_given_again(limits: Limits) -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (first, first_writer), server.connect() as (second, second_writer):
            for reader, writer in ((first, first_writer), (second, second_writer)):
                writer.write(GET)
                assert (await answer(reader))[0] == 200
            async with server.connect() as (reader, _):
                refused = await reader.read()
            assert status(refused) == 503
            assert b"\r\nretry-after: 1\r\n" in refused
            first_writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await first.read()
            async with server.connect() as (reader, writer):
                writer.write(GET)
                assert (await answer(reader))[0] == 200

    run(scenario, limits)


# Starting and stopping


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


def test_an_answer_that_is_not_read_does_not_hold_the_connection() -> None:
    async def scenario(server: Server) -> None:
        body = b"b" * 16_000_000
        client = socket.create_connection(("127.0.0.1", server.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        with client:
            await loop.sock_sendall(client, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            server.stop.set()
            await server.task  # within the test's time limit, not the grace of an hour

    run(scenario, QUICK, grace_seconds=3600.0)


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


def _serve_at(host: str, port: int) -> None:
    async def main() -> None:
        await serve(App(), host=host, port=port, stop=asyncio.Event())

    uvloop.run(main())
