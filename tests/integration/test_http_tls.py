"""The HTTP sender over real TLS: whose certificates are accepted."""

import asyncio

import pytest

from hookwright.sender import Failure, Response
from hookwright.senders.answers import Answers
from hookwright.senders.connections import Connection as Kept
from hookwright.senders.faults import MALFORMED
from hookwright.senders.identities import tls_context
from tests.certificates import Authority, Issued, server_context
from tests.integration.receivers import OK, Connection, answering, receiving, request, sending, silent
from tests.integration.sockets import FINE, Run, pool_of
from tests.waiting import until

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


@pytest.mark.parametrize("kept", [False, True], ids=["instead of an answer", "on an unused connection"])
def test_a_receiver_that_sends_records_without_end_that_say_nothing_is_hung_up_on(run: Run, kept: bool) -> None:
    """Session tickets, of which a server can send as many as it likes: nothing of them reaches who waits for an answer."""

    async def scenario() -> tuple[Response | Failure | None, int]:
        client, server = tls_context(), server_context(ROOT.issue())
        client.load_verify_locations(cadata=ROOT.pem)
        server.num_tickets = 3_000
        async with receiving(answering(OK) if kept else silent, tls=server) as receiver, sending(tls=client) as sender:
            asked = request(f"https://127.0.0.1:{receiver.port}/", deadline=10)
            result = await sender.send(asked)
            await until(lambda: not pool_of(sender)._open)
            return result, len(pool_of(sender)._unused)

    result, unused = run(scenario())
    assert unused == 0
    assert result == MALFORMED or (kept and result == FINE)


def test_the_tickets_that_servers_send_are_no_noise(run: Run) -> None:
    async def scenario() -> tuple[int, int]:
        client, server = tls_context(), server_context(ROOT.issue())
        client.load_verify_locations(cadata=ROOT.pem)
        server.num_tickets = 100
        async with receiving(answering(OK), tls=server) as receiver, sending(tls=client) as sender:
            for _ in range(3):
                assert await sender.send(request(f"https://127.0.0.1:{receiver.port}/")) == FINE
            return receiver.connections, len(pool_of(sender)._unused)

    assert run(scenario()) == (1, 1)


@pytest.mark.parametrize("size", [1, 100, 60_000])
def test_an_answer_may_come_in_records_of_any_size(run: Run, size: int) -> None:
    body = b"x" * 60_000

    async def in_pieces(connection: Connection) -> None:
        await connection.request()
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + body
        for begin in range(0, len(whole), size):
            connection.writer.write(whole[begin : begin + size])
        await connection.writer.drain()

    async def scenario() -> Response | Failure:
        client = tls_context()
        client.load_verify_locations(cadata=ROOT.pem)
        async with receiving(in_pieces, tls=server_context(ROOT.issue())) as receiver, sending(tls=client, stored_limit=60_000) as sender:
            return await sender.send(request(f"https://127.0.0.1:{receiver.port}/", deadline=60))

    assert run(scenario()) == Response(200, body, False)


def test_a_receiver_that_is_gone_as_soon_as_tls_stands_is_a_failure_at_whatever_moment(run: Run) -> None:
    async def gone(connection: Connection) -> None:
        connection.writer.transport.abort()

    async def scenario() -> set[str]:
        client = tls_context()
        client.load_verify_locations(cadata=ROOT.pem)
        async with receiving(gone, tls=server_context(ROOT.issue())) as receiver, sending(tls=client) as sender:
            results = [await sender.send(request(f"https://127.0.0.1:{receiver.port}/")) for _ in range(50)]
            return {result.fault for result in results if isinstance(result, Failure)}

    assert run(scenario()) <= {"connection", "tls"}


def test_a_connection_that_is_closed_before_its_meter_is_set_has_none() -> None:
    class Closed(asyncio.Transport):
        def get_protocol(self) -> asyncio.BaseProtocol:
            return None  # type: ignore[return-value]  # as the loops do

        def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
            raise AssertionError

    async def scenario() -> None:
        connection = Kept((True, "hooks.example", 443), Nobody(), Answers(1, 1))
        connection.connection_made(Closed())
        connection.meter(Closed())

    asyncio.run(scenario())


class Nobody:
    def release(self, connection: Kept, *, reusable: bool) -> None:
        pass

    def forget(self, connection: Kept) -> None:
        pass
