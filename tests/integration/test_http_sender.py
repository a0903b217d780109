"""The HTTP sender against real sockets and real TLS: receivers that behave, that do not, and that must not be reached.

Several receivers here never end what they send; that `send` returns at all is then what is tested.
"""

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookwright import __version__
from hookwright.domain.addresses import parse_networks
from hookwright.sender import Failure, Request, Response
from hookwright.senders import guard
from hookwright.senders.http import BLOCKED, HttpSender, tls_context

LOOPBACK = parse_networks(["127.0.0.0/8", "::1/128"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b'{"n":1}'
HEADERS = (("Content-Type", "application/json"), ("webhook-id", "msg_1"), ("X-Custom-CASE", "kept"))

Handler = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One connection as the receiver sees it."""

    def __init__(self, receiver: "Receiver", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver, self.reader, self.writer = receiver, reader, writer

    async def request(self) -> bytes:
        """The next whole request; its head and body as they were on the wire."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        whole = head + await self.reader.readexactly(length)
        self._receiver.requests.append(whole)
        self._receiver.requested.set()
        return whole

    async def answer(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.writer.write(chunk)
            await self.writer.drain()


class Receiver:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.requested = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def receiving(handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            await handler(Connection(receiver, reader, writer))
        receiver.ended.set()
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@asynccontextmanager
async def sending(**options: Any) -> AsyncIterator[HttpSender]:
    sender = HttpSender(options.pop("allowed", LOOPBACK), **options)
    try:
        yield sender
    finally:
        await sender.close()


def request(url: str, *, deadline: float = 5.0, headers: tuple[tuple[str, str], ...] = HEADERS, body: bytes = BODY) -> Request:
    return Request(url, headers, body, deadline)


def answering(*chunks: bytes) -> Handler:
    """Answers every request alike, and keeps the connection."""

    async def handler(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(*chunks)

    return handler


def closing(*chunks: bytes) -> Handler:
    """Answers one request and closes."""

    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(*chunks)

    return handler


async def silent(connection: Connection) -> None:
    await connection.request()
    await connection.reader.read()


def dripping(start: bytes, drop: bytes) -> Handler:
    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(start)
        while True:
            await connection.answer(drop)
            await asyncio.sleep(0.02)

    return handler


def flooding(start: bytes, chunk: bytes) -> Handler:
    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(start)
        while True:
            await connection.answer(chunk)

    return handler


def attempt(handler: Handler, *, deadline: float = 5.0, **options: Any) -> Response | Failure:
    """One attempt at a receiver of its own."""

    async def scenario() -> Response | Failure:
        async with receiving(handler) as receiver, sending(**options) as sender:
            return await sender.send(request(receiver.url, deadline=deadline))

    return asyncio.run(scenario())


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

    assert asyncio.run(scenario()) == (Response(status, b"", False), 0)


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
        (silent, "no answer within 0.2 s"),
        (dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"), "was not complete within 0.2 s"),
        (dripping(b"HTTP/1.1 200 OK\r\n", b"x"), "no answer within 0.2 s"),
        (dripping(b"HTTP/1.1 200 O", b"K"), "no answer within 0.2 s"),
    ],
    ids=["silence", "dripped body", "dripped headers", "dripped status line"],
)
def test_a_slow_answer_ends_at_the_deadline(handler: Handler, words: str) -> None:
    result = attempt(handler, deadline=0.2)
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


# Receivers that break


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (closing(), "connection"),
        (closing(b"HTTP/1.1 200 OK\r\nContent-Le"), "connection"),
        (closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "connection"),
        (closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "connection"),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "protocol"),
        (answering(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(65)) + b"\r\n"), "protocol"),
        (answering(b"HTTP/1.1 200 OK\r\nx-a: " + b"y" * 10_000 + b"\r\n\r\n"), "protocol"),
        (flooding(b"HTTP/1.1 200 OK\r\n", b"x-a: y\r\n" * 100), "protocol"),
    ],
    ids=["silent close", "cut headers", "cut body", "cut chunk", "no HTTP", "bad length", "many headers", "long header", "endless headers"],
)
def test_a_broken_answer_is_a_failure(handler: Handler, fault: str) -> None:
    result = attempt(handler)
    assert isinstance(result, Failure)
    assert result.fault == fault
    assert "\n" not in result.detail


def test_a_closed_port_refuses() -> None:
    async def scenario() -> Response | Failure:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with sending() as sender:
                return await sender.send(request(f"http://127.0.0.1:{unused.getsockname()[1]}/"))

    assert asyncio.run(scenario()) == Failure("refused", "the connection was refused")


# Kept connections


async def connections_after(sends: int, handler: Handler, **options: Any) -> int:
    async with receiving(handler) as receiver, sending(**options) as sender:
        for _ in range(sends):
            assert await sender.send(request(receiver.url)) == Response(200, b"ok", False)
        return receiver.connections


def test_a_connection_is_used_again() -> None:
    assert asyncio.run(connections_after(3, answering(OK))) == 1


def test_a_connection_past_its_age_is_not_used_again() -> None:
    assert asyncio.run(connections_after(3, answering(OK), max_age=0.0, keepalive=4.0)) == 3


def test_a_connection_that_the_receiver_asks_to_close_is_not_used_again() -> None:
    assert asyncio.run(connections_after(2, answering(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))) == 2


def test_no_more_hosts_are_kept_connected_than_may_be_in_use() -> None:
    async def scenario() -> tuple[int, int]:
        async with receiving(answering(OK)) as one, receiving(answering(OK)) as other, sending(connections=1) as sender:
            for receiver in (one, other, one, other):
                await sender.send(request(receiver.url))
            return one.connections, other.connections

    assert asyncio.run(scenario()) == (1, 2)


def test_every_kept_connection_counts_and_not_every_host() -> None:
    async def scenario() -> int:
        together = asyncio.Barrier(2)

        async def handler(connection: Connection) -> None:
            await connection.request()
            await together.wait()
            await connection.answer(OK)
            await connection.reader.read()

        async with receiving(handler) as one, receiving(answering(OK)) as other, sending(connections=2) as sender:
            await asyncio.gather(sender.send(request(one.url)), sender.send(request(one.url)))
            await sender.send(request(other.url))
            await sender.send(request(other.url))
            return other.connections

    assert asyncio.run(scenario()) == 2


def test_a_kept_connection_that_ends_makes_room_for_another() -> None:
    async def scenario() -> int:
        # Its answer says nothing of closing, so it is kept until its end is noticed, some time during these sends.
        async with receiving(closing(OK)) as one, receiving(answering(OK)) as other, sending(connections=1) as sender:
            await sender.send(request(one.url))
            for _ in range(10):
                await sender.send(request(other.url))
            return other.connections

    assert asyncio.run(scenario()) < 10


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    async def scenario() -> tuple[Response | Failure, int]:
        go, gone = asyncio.Event(), asyncio.Event()

        async def handler(connection: Connection) -> None:
            await connection.request()
            await connection.answer(OK)
            await go.wait()
            await connection.answer(OK.replace(b"ok", b"no"))
            await connection.reader.read()
            gone.set()

        async with receiving(handler) as receiver, sending(keepalive=50.0) as sender:
            await sender.send(request(receiver.url))
            go.set()
            with suppress(TimeoutError):  # a sender that does not hang up is found out by the answer it then tells
                await asyncio.wait_for(gone.wait(), 2.0)
            return await sender.send(request(receiver.url, deadline=2.0)), receiver.connections

    result, connections = asyncio.run(scenario())
    assert (result, connections) == (Response(200, b"ok", False), 2)


def test_a_request_on_a_connection_that_then_drops_is_a_failure_and_is_not_sent_twice() -> None:
    async def handler(connection: Connection) -> None:
        await connection.request()
        await connection.answer(OK)
        await connection.request()

    async def scenario() -> tuple[Response | Failure, int]:
        async with receiving(handler) as receiver, sending() as sender:
            await sender.send(request(receiver.url))
            return await sender.send(request(receiver.url)), len(receiver.requests)

    result, requests = asyncio.run(scenario())
    assert isinstance(result, Failure)
    assert (result.fault, requests) == ("connection", 2)


# TLS


def write_certificate(folder: Path, names: Sequence[str] = (), addresses: Sequence[str] = (), *, days: int = 30) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=60)
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=60 + days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate_file, key_file


def attempt_tls(files: tuple[Path, Path], *, trusted: bool, host: str = "127.0.0.1") -> Response | Failure:
    async def scenario() -> Response | Failure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        client = tls_context()
        if trusted:
            client.load_verify_locations(files[0])
        async with receiving(answering(OK), tls=context) as receiver, sending(tls=client, lookup=lambda _: ["127.0.0.1"]) as sender:
            return await sender.send(request(f"https://{host}:{receiver.port}/"))

    return asyncio.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "hooks.example"])
def test_a_trusted_certificate_for_the_right_name_is_accepted(tmp_path: Path, host: str) -> None:
    files = write_certificate(tmp_path, ["hooks.example"], ["127.0.0.1"])
    assert attempt_tls(files, trusted=True, host=host) == Response(200, b"ok", False)


@pytest.mark.parametrize(
    ("names", "addresses", "days", "trusted", "words"),
    [
        (["hooks.example"], [], 30, False, "self-signed"),
        (["other.example"], [], 30, True, "mismatch"),
        ([], ["127.0.0.1"], 30, True, "mismatch"),
        (["hooks.example"], [], -1, True, "expired"),
    ],
)
def test_any_other_certificate_is_a_tls_failure(
    tmp_path: Path, names: list[str], addresses: list[str], days: int, trusted: bool, words: str
) -> None:
    files = write_certificate(tmp_path, names, addresses, days=days)
    result = attempt_tls(files, trusted=trusted, host="hooks.example")
    assert isinstance(result, Failure)
    assert result.fault == "tls"
    assert words in result.detail
    assert "127.0.0.1" not in result.detail


def test_a_receiver_without_tls_is_a_tls_failure() -> None:
    async def scenario() -> Response | Failure:
        async def handler(connection: Connection) -> None:
            await connection.reader.read(1)
            await connection.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with receiving(handler) as receiver, sending() as sender:
            return await sender.send(request(f"https://127.0.0.1:{receiver.port}/"))

    result = asyncio.run(scenario())
    assert isinstance(result, Failure)
    assert result.fault == "tls"


# The address guard


def guarded(
    url: str, *, addresses: Sequence[str] = ("127.0.0.1",), allowed: Sequence[str] = ()
) -> tuple[Response | Failure, int, list[str]]:
    """The result, how many connections the receiver on loopback saw, and which names were looked up."""
    asked: list[str] = []

    def lookup(name: str) -> Sequence[str]:
        asked.append(name)
        return addresses

    async def scenario() -> tuple[Response | Failure, int, list[str]]:
        async with receiving(answering(OK)) as receiver, sending(allowed=parse_networks(allowed), lookup=lookup) as sender:
            return await sender.send(request(url.replace("PORT", str(receiver.port)))), receiver.connections, asked

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:PORT/", "http://[::1]:PORT/", "http://[::ffff:7f00:1]:PORT/", "https://127.0.0.1:PORT/", "http://0.0.0.0:PORT/"],
)
def test_a_literal_address_off_the_internet_is_blocked_before_a_connection_is_made(url: str) -> None:
    assert guarded(url) == (Failure("blocked", BLOCKED), 0, [])


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "backend", "metadata.google.internal", "printer.local", "localhost."])
def test_a_local_name_is_blocked_before_it_is_looked_up(name: str) -> None:
    assert guarded(f"http://{name}:PORT/") == (Failure("blocked", BLOCKED), 0, [])


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::1"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254", "8.8.8.8"], ["fe80::1%1"], ["nonsense"]]
)
def test_a_name_with_any_address_off_the_internet_is_blocked(addresses: list[str]) -> None:
    assert guarded("http://hooks.example:PORT/", addresses=addresses) == (Failure("blocked", BLOCKED), 0, ["hooks.example"])


def test_an_opened_network_is_reached_by_name_and_no_other_is() -> None:
    assert guarded("http://hooks.example:PORT/", allowed=["127.0.0.1/32"])[:2] == (Response(200, b"ok", False), 1)
    assert guarded("http://hooks.example:PORT/", allowed=["127.0.0.1/32"], addresses=["127.0.0.2"])[:2] == (Failure("blocked", BLOCKED), 0)


def test_localhost_is_reached_where_loopback_is_open() -> None:
    async def scenario() -> Response | Failure:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            return await sender.send(request(f"http://localhost:{receiver.port}/"))

    assert asyncio.run(scenario()) == Response(200, b"ok", False)


def test_an_ipv6_literal_is_reached_where_it_is_open() -> None:
    async def scenario() -> Response | Failure:
        async with receiving(answering(OK), host="::1") as receiver, sending() as sender:
            return await sender.send(request(f"http://[::1]:{receiver.port}/"))

    assert asyncio.run(scenario()) == Response(200, b"ok", False)


class Rebound(AbstractResolver):
    """A resolver behind our back: the address that was vetted is not the one that is connected to."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        return None


def rebound(monkeypatch: pytest.MonkeyPatch) -> tuple[Response | Failure, list[bytes]]:
    async def scenario() -> tuple[Response | Failure, list[bytes]]:
        monkeypatch.setattr("hookwright.senders.http.GuardedResolver", lambda *_: Rebound())
        async with receiving(answering(OK)) as receiver, sending(allowed=()) as sender:
            return await sender.send(request(f"http://hooks.example:{receiver.port}/")), receiver.requests

    return asyncio.run(scenario())


def test_an_address_that_no_resolver_of_ours_has_seen_is_blocked_at_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rebound(monkeypatch) == (Failure("blocked", BLOCKED), [])


def test_the_peer_of_a_connected_socket_is_judged_before_a_byte_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.GuardedConnector, "_open_socket", lambda _, info: socket.socket(*info[:3]))
    assert rebound(monkeypatch) == (Failure("blocked", BLOCKED), [])


def test_a_name_without_an_address_is_a_dns_failure() -> None:
    result, connections, _ = guarded("http://hooks.example:PORT/", addresses=[])
    assert (result, connections) == (Failure("dns", "the host name could not be resolved"), 0)


def test_a_lookup_that_fails_is_a_dns_failure() -> None:
    async def scenario() -> Response | Failure:
        def lookup(name: str) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        async with sending(lookup=lookup) as sender:
            return await sender.send(request("http://hooks.example/"))

    assert asyncio.run(scenario()) == Failure("dns", "the host name could not be resolved")


def test_a_lookup_that_hangs_ends_at_its_own_limit() -> None:
    answered = threading.Event()

    def lookup(name: str) -> Sequence[str]:
        answered.wait()
        return []

    async def scenario() -> Response | Failure:
        async with sending(lookup=lookup, lookup_timeout=0.05) as sender:
            return await sender.send(request("http://hooks.example/"))

    assert asyncio.run(scenario()) == Failure("dns", "the host name could not be resolved in time")
    answered.set()


def test_a_url_that_cannot_be_used_is_a_failure() -> None:
    async def scenario() -> list[Response | Failure]:
        async with sending() as sender:
            return [await sender.send(request(url)) for url in ("", "ftp://127.0.0.1/", "http:///", "http://[", "http://127.1/")]

    assert {result.fault for result in asyncio.run(scenario()) if isinstance(result, Failure)} == {"protocol"}
