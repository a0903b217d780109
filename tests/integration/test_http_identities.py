"""The HTTP sender as somebody in particular: client certificates, CAs of an endpoint's own, and who shares a connection."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hookwright.sender import Failure, Request, Response, TlsIdentity
from hookwright.senders.identities import Contexts, identity_context, tls_context
from tests.certificates import Authority, Issued, server_context
from tests.der import integer, pem, sequence
from tests.integration.receivers import OK, Connection, Receiver, answering, receiving, request, sending
from tests.integration.sockets import Run

SERVERS, CLIENTS = Authority("servers"), Authority("clients")
SERVER = SERVERS.issue("receiver")
TRUSTING = TlsIdentity(ca=SERVERS.pem)


def identity(client: Issued, ca: Authority = SERVERS) -> TlsIdentity:
    return TlsIdentity(client.certificate, client.key, ca.pem)


def as_somebody(receiver: Receiver, tls: TlsIdentity | None) -> Request:
    asked = request(f"https://127.0.0.1:{receiver.port}/")
    return Request(asked.url, asked.headers, asked.body, asked.deadline, tls=tls)


async def name_the_client(connection: Connection) -> None:
    """Answers with the name in the client's certificate."""
    while True:
        await connection.request()
        found = connection.writer.get_extra_info("peercert")
        name = dict(pair for part in found["subject"] for pair in part)["commonName"] if found else "nobody"
        await connection.answer(f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())


def attempt(run: Run, tls: TlsIdentity | None, server: ssl.SSLContext) -> Response | Failure:
    async def scenario() -> Response | Failure:
        async with receiving(name_the_client, tls=server) as receiver, sending() as sender:
            return await sender.send(as_somebody(receiver, tls))

    result: Response | Failure = run(scenario())
    return result


def test_an_endpoints_own_ca_is_trusted_for_it(run: Run) -> None:
    assert attempt(run, TRUSTING, server_context(SERVER)) == Response(200, b"nobody", False)


def test_without_it_the_same_receiver_is_not_trusted(run: Run) -> None:
    result = attempt(run, None, server_context(SERVER))
    assert isinstance(result, Failure)
    assert result.fault == "tls"


def test_an_own_ca_takes_the_place_of_the_others(run: Run) -> None:
    result = attempt(run, TlsIdentity(ca=CLIENTS.pem), server_context(SERVER))
    assert isinstance(result, Failure)
    assert "certificate is not accepted" in result.detail


def test_a_certificate_of_another_name_is_not_accepted_whoever_signed_it(run: Run) -> None:
    result = attempt(run, TRUSTING, server_context(SERVERS.issue("elsewhere", addresses=["127.0.0.9"])))
    assert isinstance(result, Failure)
    assert "mismatch" in result.detail


def test_a_receivers_certificate_itself_can_be_what_is_trusted(run: Run) -> None:
    assert attempt(run, TlsIdentity(ca=SERVER.certificate), server_context(SERVER)) == Response(200, b"nobody", False)


def test_a_client_certificate_is_shown_to_a_receiver_that_asks_for_one(run: Run) -> None:
    result = attempt(run, identity(CLIENTS.issue("acme")), server_context(SERVER, clients=CLIENTS))
    assert result == Response(200, b"acme", False)


@pytest.mark.parametrize("tls", [TRUSTING, identity(Authority("strangers").issue("acme"))], ids=["none", "a stranger's"])
def test_a_receiver_that_asks_for_one_takes_no_other(run: Run, tls: TlsIdentity) -> None:
    result = attempt(run, tls, server_context(SERVER, clients=CLIENTS))
    assert isinstance(result, Failure)
    assert result.fault in ("tls", "connection")


def test_a_connection_made_with_one_identity_is_never_used_for_another(run: Run) -> None:
    one, two = identity(CLIENTS.issue("one")), identity(CLIENTS.issue("two"))

    async def scenario() -> tuple[list[bytes], int]:
        server = server_context(SERVER, clients=CLIENTS)
        async with receiving(name_the_client, tls=server) as receiver, sending() as sender:
            named = []
            for tls in (one, two, one, two, one):
                result = await sender.send(as_somebody(receiver, tls))
                assert isinstance(result, Response)
                named.append(result.body)
            return named, receiver.connections

    named, connections = run(scenario())
    assert named == [b"one", b"two", b"one", b"two", b"one"]
    assert connections == 2


def test_equal_identities_share_a_connection(run: Run) -> None:
    client = CLIENTS.issue("acme")

    async def scenario() -> int:
        server = server_context(SERVER, clients=CLIENTS)
        async with receiving(name_the_client, tls=server) as receiver, sending() as sender:
            for _ in range(3):
                assert isinstance(await sender.send(as_somebody(receiver, identity(client))), Response)
            return receiver.connections

    assert run(scenario()) == 1


def test_an_identity_is_of_no_matter_without_tls(run: Run) -> None:
    async def scenario() -> Response | Failure:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            asked = request(receiver.url)
            return await sender.send(Request(asked.url, asked.headers, asked.body, asked.deadline, tls=TRUSTING))

    assert run(scenario()) == Response(200, b"ok", False)


def test_what_openssl_does_not_take_is_a_failure_with_a_reason(run: Run) -> None:
    client, other = CLIENTS.issue("acme"), CLIENTS.issue("other")
    for broken in (TlsIdentity(client.certificate, other.key, SERVERS.pem), TlsIdentity("x", "y"), TlsIdentity(ca="nothing")):
        result = attempt(run, broken, server_context(SERVER))
        assert isinstance(result, Failure)
        assert (result.fault, "cannot be used" in result.detail) == ("tls", True)


def test_tls_is_1_2_at_least_and_names_are_checked_whatever_the_identity() -> None:
    for context in (tls_context(), identity_context(TRUSTING), identity_context(identity(CLIENTS.issue("acme")))):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.check_hostname
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.options & ssl.OP_NO_RENEGOTIATION


def test_a_receiver_cannot_choose_how_long_a_handshake_computes() -> None:
    """By a finite field of its own, as the suites with DHE let it; all the others, and those of TLS 1.3, stay."""
    usual = {suite["name"] for suite in ssl.create_default_context().get_ciphers()}
    for context in (tls_context(), identity_context(TRUSTING), identity_context(identity(CLIENTS.issue("acme")))):
        suites = {suite["name"] for suite in context.get_ciphers()}
        assert suites == {name for name in usual if not name.startswith("DHE-")}
        assert len(suites) > 8


def test_a_receiver_that_has_nothing_but_such_a_field_is_not_computed_with(run: Run, tmp_path: Path) -> None:
    server = server_context(SERVERS.issue("receiver", key=rsa.generate_private_key(65537, 2048)))
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("DHE+AES")
    parameters = tmp_path / "dh.pem"
    field = 1 << 9999 | random.Random(7).getrandbits(9998) | 1
    parameters.write_text(pem("DH PARAMETERS", sequence(integer(field), integer(2))))
    server.load_dh_params(str(parameters))
    began = time.process_time()
    result = attempt(run, TRUSTING, server)
    assert isinstance(result, Failure)
    assert result.fault in ("tls", "connection")
    assert time.process_time() - began < 0.5


def check(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await story()

    asyncio.run(run())


def test_contexts_are_kept_and_their_number_is_bounded() -> None:
    async def story() -> None:
        contexts = Contexts(tls_context(), most=2)
        first = await contexts.of(TRUSTING)
        assert await contexts.of(TlsIdentity(ca=SERVERS.pem)) is first
        for name in ("b", "c"):
            await contexts.of(TlsIdentity(ca=Authority(name).pem))
        assert await contexts.of(TRUSTING) is not first
        assert len(contexts._made) == 2

    check(story)


def test_a_key_is_left_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where the system has no files in memory."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for memory in (True, False):
        if not memory:
            monkeypatch.delattr("os.memfd_create")
        identity_context(identity(CLIENTS.issue("acme")))
        assert list(tmp_path.iterdir()) == []


def test_a_key_is_in_no_representation() -> None:
    shown = repr(identity(CLIENTS.issue("acme")))
    assert "PRIVATE" not in shown
    assert "CERTIFICATE" not in shown
