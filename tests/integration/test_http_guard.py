"""The HTTP sender and addresses that must not be reached."""

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest

from hookwright.domain.egress import parse_openings
from hookwright.sender import Failure, Response
from hookwright.senders.faults import BLOCKED, BLOCKED_NAME, LATE_ADDRESS, NO_ADDRESS
from hookwright.senders.guard import Guard
from tests.integration.receivers import OK, answering, receiving, request, sending


def guarded(
    url: str, *, addresses: Sequence[str] = ("127.0.0.1",), allowed: Sequence[str] = ()
) -> tuple[Response | Failure, int, list[str]]:
    """The result, how many connections the receiver on loopback saw, and which names were looked up."""
    asked: list[str] = []

    def lookup(name: str) -> Sequence[str]:
        asked.append(name)
        return addresses

    async def scenario() -> tuple[Response | Failure, int, list[str]]:
        async with receiving(answering(OK)) as receiver, sending(allowed=parse_openings(allowed), lookup=lookup) as sender:
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
    assert guarded("http://hooks.example:PORT/", addresses=addresses) == (BLOCKED_NAME, 0, ["hooks.example"])


def test_an_opened_network_is_reached_by_name_and_no_other_is() -> None:
    assert guarded("http://hooks.example:PORT/", allowed=["127.0.0.1/32"])[:2] == (Response(200, b"ok", False), 1)
    assert guarded("http://hooks.example:PORT/", allowed=["127.0.0.1/32"], addresses=["127.0.0.2"])[:2] == (BLOCKED_NAME, 0)


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


def rebound(monkeypatch: pytest.MonkeyPatch) -> tuple[Response | Failure, list[bytes]]:
    """What comes of a name that passes our lookup and then means an address that must not be reached."""

    async def addresses(*_: object) -> list[str]:
        return ["127.0.0.1"]

    async def scenario() -> tuple[Response | Failure, list[bytes]]:
        monkeypatch.setattr(Guard, "addresses", addresses)
        async with receiving(answering(OK)) as receiver, sending(allowed=()) as sender:
            return await sender.send(request(f"http://hooks.example:{receiver.port}/")), receiver.requests

    return asyncio.run(scenario())


def test_an_address_that_no_lookup_of_ours_has_passed_is_blocked_when_it_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rebound(monkeypatch) == (Failure("blocked", BLOCKED), [])


def test_the_peer_of_a_connected_socket_is_judged_before_a_byte_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    check = Guard.check

    def forgetful(guard: Guard, address: str, port: int) -> None:
        """Lets the first judgement pass, as if it were of another address."""
        asked.append(address)
        if len(asked) > 1:
            check(guard, address, port)

    monkeypatch.setattr(Guard, "check", forgetful)
    assert rebound(monkeypatch) == (Failure("blocked", BLOCKED), [])
    assert asked == ["127.0.0.1", "127.0.0.1"]


def test_a_name_without_an_address_is_a_dns_failure() -> None:
    result, connections, _ = guarded("http://hooks.example:PORT/", addresses=[])
    assert (result, connections) == (NO_ADDRESS, 0)


def test_a_lookup_that_fails_is_a_dns_failure() -> None:
    async def scenario() -> Response | Failure:
        def lookup(name: str) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        async with sending(lookup=lookup) as sender:
            return await sender.send(request("http://hooks.example/"))

    assert asyncio.run(scenario()) == NO_ADDRESS


def test_a_lookup_that_hangs_ends_at_its_own_limit() -> None:
    answered = threading.Event()

    def lookup(name: str) -> Sequence[str]:
        answered.wait()
        return []

    async def scenario() -> Response | Failure:
        async with sending(lookup=lookup, lookup_timeout=0.05) as sender:
            return await sender.send(request("http://hooks.example/"))

    assert asyncio.run(scenario()) == LATE_ADDRESS
    answered.set()


def test_a_url_that_cannot_be_used_is_a_failure() -> None:
    async def scenario() -> list[Response | Failure]:
        async with sending() as sender:
            return [await sender.send(request(url)) for url in ("", "ftp://127.0.0.1/", "http:///", "http://[", "http://127.1/")]

    assert {result.fault for result in asyncio.run(scenario()) if isinstance(result, Failure)} == {"protocol"}
