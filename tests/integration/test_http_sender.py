"""The HTTP sender against real sockets: what is sent, what comes back, and receivers that are slow or break.

Several receivers here never end what they send; that `send` returns at all is then what is tested.
"""

import asyncio
import gzip
import socket
from collections.abc import Callable

import pytest

from hookwright import __version__
from hookwright.sender import Failure, Response
from tests.integration.receivers import (
    BODY,
    OK,
    Connection,
    Handler,
    answering,
    attempt,
    closing,
    dripping,
    flooding,
    pass_time,
    receiving,
    request,
    sending,
    silent,
)

# What is sent


def test_the_request_on_the_wire_is_complete_and_holds_nothing_unasked() -> None:
    async def scenario() -> bytes:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            assert await sender.send(request(receiver.url)) == Response(200, b"ok", False)
            return receiver.requests[0].replace(str(receiver.port).encode(), b"PORT")

    head, _, body = asyncio.run(scenario()).partition(b"\r\n\r\n")
    assert body == BODY
    assert head.decode().split("\r\n") == [
        "POST /hook HTTP/1.1",
        "Host: 127.0.0.1:PORT",
        "Content-Type: application/json",
        "webhook-id: msg_1",
        "X-Custom-CASE: kept",
        "Accept-Encoding: identity",
        f"User-Agent: Hookwright/{__version__} (+https://github.com/hookwright/hookwright)",
        "Accept: */*",
        "Content-Length: 7",
    ]


def test_an_empty_body_is_sent_as_such() -> None:
    async def scenario() -> bytes:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            await sender.send(request(receiver.url, body=b"", headers=()))
            return receiver.requests[0]

    sent = asyncio.run(scenario())
    assert b"Content-Length: 0\r\n" in sent
    assert b"Content-Type" not in sent


@pytest.mark.parametrize("name", ["content-length", "Transfer-Encoding", "HOST", "Connection"])
def test_a_header_that_frames_the_request_is_not_taken_from_the_caller(name: str) -> None:
    async def scenario() -> tuple[Response | Failure, int]:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            return await sender.send(request(receiver.url, headers=((name, "0"),))), receiver.connections

    result, connections = asyncio.run(scenario())
    assert isinstance(result, Failure)
    assert (result.fault, connections) == ("protocol", 0)


def test_a_header_cannot_smuggle_a_line() -> None:
    async def scenario() -> tuple[Response | Failure, list[bytes]]:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            return await sender.send(request(receiver.url, headers=(("x-a", "b\r\nx-c: d"),))), receiver.requests

    result, requests = asyncio.run(scenario())
    assert isinstance(result, Failure)
    assert (result.fault, requests) == ("protocol", [])


def test_cookies_are_not_remembered() -> None:
    async def scenario() -> list[bytes]:
        cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        async with receiving(answering(cookie)) as receiver, sending() as sender:
            for _ in range(2):
                await sender.send(request(f"http://localhost:{receiver.port}/"))
            return receiver.requests

    first, second = asyncio.run(scenario())
    assert second == first


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert attempt(answering(OK)) == Response(200, b"ok", False)


# What comes back


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Response(204, b"", False)),
        (b"HTTP/1.1 503 No\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", Response(503, b"", False, "120")),
        (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Response(500, b"abc", False)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, Response(200, b"ok", False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe", Response(200, b"\xff\xfe", False)),
    ],
)
def test_an_answer_is_told_as_it_is(answer: bytes, response: Response) -> None:
    assert attempt(answering(answer)) == response


def test_an_offer_to_switch_protocols_is_an_answer_and_is_not_taken_up() -> None:
    offer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    assert attempt(answering(offer)) == Response(101, b"", False)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    assert attempt(closing(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")) == Response(200, b"until the end", False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_is_not_followed(status: int) -> None:
    async def scenario() -> tuple[Response | Failure, int]:
        async with receiving(answering(OK)) as target:
            answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n".encode()
            async with receiving(answering(answer)) as receiver, sending() as sender:
                return await sender.send(request(receiver.url)), target.connections

    result, connections = asyncio.run(scenario())
    assert isinstance(result, Response)
    assert (result.status, connections) == (status, 0)
    assert result.location is not None
    assert result.location.startswith("http://127.0.0.1:")


def test_a_compressed_answer_is_kept_as_it_came() -> None:
    bomb = gzip.compress(bytes(5_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    assert attempt(answering(head + bomb)) == Response(200, bomb, False)


@pytest.mark.parametrize(("size", "kept", "truncated"), [(100, 100, False), (101, 100, True), (400, 100, True)])
def test_an_answer_is_kept_up_to_the_stored_limit(size: int, kept: int, truncated: bool) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    assert attempt(answering(head + b"a" * size), stored_limit=100, read_limit=400) == Response(200, b"a" * kept, truncated)


def test_an_endless_answer_is_cut_and_its_connection_closed() -> None:
    async def scenario() -> Response | Failure:
        endless = flooding(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 10_000)
        async with receiving(endless) as receiver, sending() as sender:
            result = await sender.send(request(receiver.url, deadline=30))
            await receiver.ended.wait()
            return result

    assert asyncio.run(scenario()) == Response(200, b"a" * 16_384, True)


def test_an_answer_that_comes_before_the_request_was_read_counts() -> None:
    async def scenario() -> Response | Failure:
        async def handler(connection: Connection) -> None:
            await connection.reader.readuntil(b"\r\n\r\n")
            await connection.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await connection.reader.read()

        async with receiving(handler) as receiver, sending() as sender:
            return await sender.send(request(receiver.url, body=b"x" * 900_000))

    assert asyncio.run(scenario()) == Response(413, b"", False)


# Receivers that take their time


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (silent, "no answer within 25 s"),
        (dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"), "was not complete within 25 s"),
        (dripping(b"HTTP/1.1 200 OK\r\n", b"x"), "no answer within 25 s"),
        (dripping(b"HTTP/1.1 200 O", b"K"), "no answer within 25 s"),
    ],
    ids=["silence", "dripped body", "dripped headers", "dripped status line"],
)
def test_a_slow_answer_ends_at_the_deadline(handler: Handler, words: str) -> None:
    async def scenario() -> Response | Failure:
        async with receiving(handler) as receiver, sending() as sender:
            sent = asyncio.create_task(sender.send(request(receiver.url, deadline=25)))
            await receiver.stalled.wait()
            assert not sent.done()
            pass_time(25)
            return await sent

    result = asyncio.run(scenario())
    assert isinstance(result, Failure)
    assert result.fault == "timeout"
    assert words in result.detail


@pytest.mark.parametrize("handler", [flooding, dripping])
def test_an_answer_that_never_gets_past_the_preliminaries_is_ended(handler: Callable[[bytes, bytes], Handler]) -> None:
    result = attempt(handler(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), deadline=30)
    assert isinstance(result, Failure)
    assert result.fault == "protocol"


def test_a_connection_that_is_not_free_in_time_is_a_timeout() -> None:
    async def scenario() -> Response | Failure:
        async with receiving(silent) as receiver, sending(connections=1) as sender:
            first = asyncio.create_task(sender.send(request(receiver.url)))
            await receiver.requested.wait()
            second = await sender.send(request(receiver.url, deadline=0.1))
            first.cancel()
            return second

    result = asyncio.run(scenario())
    assert isinstance(result, Failure)
    assert result.fault == "timeout"


def test_cancelling_is_not_swallowed_and_closes_the_connection() -> None:
    async def scenario() -> None:
        async with receiving(silent) as receiver, sending() as sender:
            task = asyncio.create_task(sender.send(request(receiver.url)))
            await receiver.requested.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await receiver.ended.wait()

    asyncio.run(scenario())


# Receivers that break: most are in the zoo (`test_zoo`)


def test_a_closed_port_refuses() -> None:
    async def scenario() -> Response | Failure:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with sending() as sender:
                return await sender.send(request(f"http://127.0.0.1:{unused.getsockname()[1]}/"))

    assert asyncio.run(scenario()) == Failure("refused", "the connection was refused")
