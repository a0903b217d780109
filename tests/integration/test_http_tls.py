"""The HTTP sender over real TLS: whose certificates are accepted."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookwright.sender import Failure, Response
from hookwright.senders.identities import tls_context
from tests.integration.receivers import OK, Connection, answering, receiving, request, sending


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
