"""The HTTP sender over real TLS: whose certificates are accepted."""

import asyncio
import ssl
from pathlib import Path

import pytest

from hookwright.sender import Failure, Response
from hookwright.senders.identities import tls_context
from tests.integration.receivers import OK, answering, receiving, request, sending
from tests.zoo.certificates import write_certificate


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


def test_a_connection_is_used_again_and_closed_without_waiting_for_the_receiver(tmp_path: Path) -> None:
    async def scenario() -> int:
        files = write_certificate(tmp_path, [], ["127.0.0.1"])
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls_context()
        server.load_cert_chain(*files)
        client.load_verify_locations(files[0])
        async with receiving(answering(OK), tls=server) as receiver:
            async with sending(tls=client) as sender:
                for _ in range(3):
                    assert await sender.send(request(f"https://127.0.0.1:{receiver.port}/")) == Response(200, b"ok", False)
            await receiver.ended.wait()
            return receiver.connections

    assert asyncio.run(scenario()) == 1


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
