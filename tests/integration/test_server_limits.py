"""What a peer may send to the server, over real sockets: what is answered, what is refused, and how much is taken."""

import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest

from hookwright.api.connections import MAX_PIPELINED
from hookwright.api.server import Limits
from tests.integration.http_server import GET, LARGE, PATIENT, Server, answer, run, status

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
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nhost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x/y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x y\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 3\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_ambiguous_or_malformed_request_is_refused(request_bytes: bytes) -> None:
    async def scenario(server: Server) -> None:
        response = await server.say(request_bytes)
        assert status(response) == 400
        assert response.count(b"HTTP/1.1") == 1

    run(scenario)


@pytest.mark.parametrize("host", [b"", b"localhost:8071", b"[::1]:8071", b"xn--bcher-kva.example", b"_internal.example"])
def test_a_host_may_be_anything_that_is_one(host: bytes) -> None:
    async def scenario(server: Server) -> None:
        assert status(await server.say(b"GET / HTTP/1.1\r\nconnection: close\r\nhost: %b\r\n\r\n" % host)) == 200

    run(scenario)


def test_http_1_0_needs_no_host() -> None:
    async def scenario(server: Server) -> None:
        assert status(await server.say(b"GET / HTTP/1.0\r\n\r\n")) == 200

    run(scenario)


OFFER = b"host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
"""As Java's HttpClient sends it with each first request."""


def test_an_offer_to_upgrade_is_ignored_and_the_connection_goes_on() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\n" + OFFER + b"\r\n")
                assert await answer(reader) == (200, b"")

    run(scenario)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\n" + OFFER + b"content-length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + OFFER + b"transfer-encoding: chunked\r\n\r\n1a\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_the_body_of_a_request_that_offers_an_upgrade_is_its_body(request_bytes: bytes, piece: int) -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            several = request_bytes * 3 + b"GET /after HTTP/1.1\r\nhost: x\r\n\r\n"
            for start in range(0, len(several), piece):
                writer.write(several[start : start + piece])
                await writer.drain()
            for _ in range(3):
                assert await answer(reader) == (200, b"GET /smuggled HTTP/1.1\r\n\r\n")
            assert await answer(reader) == (200, b"")
        assert server.app.paths == ["/", "/", "/", "/after"]

    run(scenario)


def test_the_application_sees_no_offer_to_upgrade_but_all_other_headers_as_they_came() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"GET /p?q=%20 HTTP/1.1\r\n" + OFFER + b"A:\t\xe9\r\na: 2\r\n\r\n")
            await answer(reader)
        assert server.app.paths == ["/p"]
        assert server.app.headers == [
            (b"host", b"x"),
            (b"connection", b"Upgrade, HTTP2-Settings"),
            (b"http2-settings", b"AAEAAEAA"),
            (b"a", b"\xe9"),
            (b"a", b"2"),
        ]

    run(scenario)


def test_a_pipeline_of_offers_to_upgrade_is_cut_like_any_other() -> None:
    async def scenario(server: Server) -> None:
        response = await server.say((b"GET / HTTP/1.1\r\n" + OFFER + b"\r\n") * (MAX_PIPELINED * 5))
        assert MAX_PIPELINED <= response.count(b"HTTP/1.1 200") == response.count(b"HTTP/1.1") <= MAX_PIPELINED * 2

    run(scenario)


def test_a_peer_that_waits_for_leave_to_send_its_body_gets_it() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            for _ in range(2):
                writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(b"ok")
                assert await answer(reader) == (200, b"ok")

    run(scenario)


def test_after_an_answer_in_place_of_that_leave_nothing_more_is_parsed() -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST /early HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 20\r\n\r\n")
            assert await answer(reader) == (200, b"")
            writer.write(GET * 3)
            assert await reader.read() == b""
        assert server.app.paths == ["/early"]

    run(scenario)


@pytest.mark.parametrize("path", [b"/early", b"/goodbye"])
@pytest.mark.parametrize("line", [b"", b"connection: close\r\n"], ids=["kept", "last"])
def test_an_answer_before_the_body_is_in_can_be_read_after_all_of_it_is_sent(path: bytes, line: bytes) -> None:
    async def scenario(server: Server) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n" % (path, line, LARGE))
            await server.app.entered.wait()
            writer.write(b"b" * LARGE)
            await writer.drain()
            assert await answer(reader) == (200, b"")

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
