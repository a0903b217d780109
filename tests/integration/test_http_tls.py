"""The HTTP sender over real TLS: whose certificates are accepted."""

import asyncio

import pytest

from hookwright.sender import Failure, Response
from hookwright.senders.identities import tls_context
from tests.certificates import Authority, Issued, server_context
from tests.integration.receivers import OK, answering, receiving, request, sending

ROOT = Authority()


def attempt_tls(issued: Issued, *, trusted: bool, host: str = "127.0.0.1") -> Response | Failure:
    async def scenario() -> Response | Failure:
        client = tls_context()
        if trusted:
            client.load_verify_locations(cadata=ROOT.pem)
        async with (
            receiving(answering(OK), tls=server_context(issued)) as receiver,
            sending(tls=client, lookup=lambda _: ["127.0.0.1"]) as sender,
        ):
            return await sender.send(request(f"https://{host}:{receiver.port}/"))

    return asyncio.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "hooks.example"])
def test_a_trusted_certificate_for_the_right_name_is_accepted(host: str) -> None:
    assert attempt_tls(ROOT.issue(names=["hooks.example"]), trusted=True, host=host) == Response(200, b"ok", False)


def test_a_connection_is_used_again_and_closed_without_waiting_for_the_receiver() -> None:
    async def scenario() -> int:
        client = tls_context()
        client.load_verify_locations(cadata=ROOT.pem)
        async with receiving(answering(OK), tls=server_context(ROOT.issue())) as receiver:
            async with sending(tls=client) as sender:
                for _ in range(3):
                    assert await sender.send(request(f"https://127.0.0.1:{receiver.port}/")) == Response(200, b"ok", False)
            await receiver.ended.wait()
            return receiver.connections

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize(
    ("names", "addresses", "days", "trusted", "words"),
    [
        (["hooks.example"], [], 30, False, "issuer"),
        (["other.example"], [], 30, True, "mismatch"),
        ([], ["127.0.0.1"], 30, True, "mismatch"),
        (["hooks.example"], [], -1, True, "expired"),
    ],
)
def test_any_other_certificate_is_a_tls_failure(names: list[str], addresses: list[str], days: int, trusted: bool, words: str) -> None:
    result = attempt_tls(ROOT.issue(names=names, addresses=addresses, days=days), trusted=trusted, host="hooks.example")
    assert isinstance(result, Failure)
    assert result.fault == "tls"
    assert words in result.detail
    assert "127.0.0.1" not in result.detail


@pytest.mark.parametrize(("host", "named"), [("hooks.example", "hooks.example"), ("hooks.example.", "hooks.example"), ("127.0.0.1", None)])
def test_the_receiver_is_told_which_name_is_meant_and_no_address(host: str, named: str | None) -> None:
    asked: list[str | None] = []

    async def scenario() -> Response | Failure:
        client, server = tls_context(), server_context(ROOT.issue(names=["hooks.example"]))
        client.load_verify_locations(cadata=ROOT.pem)
        server.sni_callback = lambda _, name, __: asked.append(name)
        async with receiving(answering(OK), tls=server) as receiver, sending(tls=client, lookup=lambda _: ["127.0.0.1"]) as sender:
            return await sender.send(request(f"https://{host}:{receiver.port}/"))

    assert asyncio.run(scenario()) == Response(200, b"ok", False)
    assert asked == [named]


def test_a_certificate_for_a_name_is_none_for_its_address() -> None:
    result = attempt_tls(ROOT.issue(names=["hooks.example"], addresses=[]), trusted=True)
    assert isinstance(result, Failure)
    assert result.fault == "tls"
    assert "mismatch" in result.detail
