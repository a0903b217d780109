"""How long a peer may take, under a clock that the tests move: each hold on the server ends, and no honest peer is cut."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import pytest

from hookwright.api.connections import Connection
from hookwright.api.departures import DRAIN_BYTES, LINGER_SECONDS, REFUSED_BYTES
from hookwright.api.guard import SLICE
from hookwright.api.server import Limits
from tests.integration.http_server import GET, LARGE, HandServer, answer, run_by_hand, status

LIMITS = Limits(header_seconds=10, request_seconds=30, body_grace_seconds=5, body_bytes_per_second=500, keep_alive_seconds=15)


def has_sent(size: int) -> Callable[[Connection], bool]:
    return lambda connection: connection.arrival.size == size


@pytest.mark.parametrize("start", [b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nhost: x\r\na: b"])
def test_a_header_that_never_ends_is_refused_when_its_time_is_over_and_not_before(start: bytes) -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(start)
            connection = await server.connection(lambda each: each.arrival.part == "head")
            server.pass_time(9.9)
            assert not connection.departure.begun
            server.pass_time(0.2)
            assert status(await reader.read()) == 408

    run_by_hand(scenario, LIMITS)


def test_a_header_that_drips_gains_no_time() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            sent = b""
            for byte in b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200:
                sent += bytes((byte,))
                writer.write(bytes((byte,)))
                connection = await server.connection(has_sent(len(sent)))
                server.pass_time(1.0)
                if connection.departure.begun:
                    break
            assert len(sent) == 10
            assert status(await reader.read()) == 408

    run_by_hand(scenario, LIMITS)


def test_the_second_request_on_a_connection_has_its_own_time() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(GET)
            assert (await answer(reader))[0] == 200
            server.pass_time(14.0)
            writer.write(b"GET / HTTP/1.1\r\nho")
            connection = await server.connection(lambda each: each.arrival.part == "head")
            server.pass_time(9.9)
            assert not connection.departure.begun
            server.pass_time(0.2)
            assert (await answer(reader))[0] == 408

    run_by_hand(scenario, LIMITS)


def test_the_first_request_has_no_time_beyond_that_of_its_connection() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            await server.connection()
            server.pass_time(9.0)
            writer.write(b"GET / HTTP/1.1\r\nho")
            await server.connection(lambda each: each.arrival.part == "head")
            server.pass_time(1.1)
            assert status(await reader.read()) == 408

    run_by_hand(scenario, LIMITS)


def test_a_body_is_measured_by_its_own_request_and_not_by_those_before_it() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"b" * 100_000)
            assert (await answer(reader))[0] == 200
            server.pass_time(14.0)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
            connection = await server.connection(lambda each: each.arrival.part == "body")
            server.pass_time(5.0)
            assert not connection.departure.begun
            server.pass_time(0.2)
            assert (await answer(reader))[0] == 408

    run_by_hand(scenario, LIMITS)


@pytest.mark.parametrize(
    ("limits", "seconds"), [(LIMITS, 6), (msgspec.structs.replace(LIMITS, body_grace_seconds=60.0), 30)], ids=["rate", "whole request"]
)
def test_a_body_that_drips_is_refused_and_the_application_sees_a_disconnect(limits: Limits, seconds: int) -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n"
            writer.write(head)
            for second in range(1, 100):
                writer.write(b"b")
                connection = await server.connection(has_sent(len(head) + second))
                server.pass_time(1.0)
                if connection.departure.begun:
                    break
            assert second == seconds
            assert status(await reader.read()) == 408
            await server.app.disconnected.wait()

    run_by_hand(scenario, limits)


def test_an_offer_to_upgrade_gains_no_time() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n")
            await server.connection(lambda each: each.arrival.part == "head")
            server.pass_time(9.0)
            writer.write(b"content-length: 10000\r\n\r\n")
            connection = await server.connection(lambda each: each.arrival.part == "body")
            assert connection.arrival.deadline == 30.0
            server.pass_time(21.1)
            assert status(await reader.read()) == 408

    run_by_hand(scenario, LIMITS)


def test_a_body_is_not_late_while_the_application_does_not_read_it() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % LARGE)
            writer.write(b"b" * LARGE)
            connection = await server.connection(lambda each: each.flow is not None and each.flow.read_paused)
            for _ in range(3600):
                server.pass_time(1.0)
            assert not connection.arrival.is_late(server.now)
            server.app.gate.set()
            assert await answer(reader) == (200, b"b" * LARGE)

    run_by_hand(scenario, LIMITS)


def test_of_a_body_that_the_application_does_not_read_little_is_taken() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (_, writer):
            writer.write(b"POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % LARGE)
            writer.write(b"b" * LARGE)
            connection = await server.connection(lambda each: each.flow is not None and each.flow.read_paused)
            assert not connection.transport.is_reading()
            assert len(connection.cycle.body) < 1_000_000

    run_by_hand(scenario, LIMITS)


def test_a_last_answer_goes_out_while_the_body_that_was_held_up_is_still_sent() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST /late HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % LARGE)
            writer.write(b"b" * LARGE)
            await server.connection(lambda each: each.flow is not None and each.flow.read_paused)
            server.app.gate.set()
            await writer.drain()
            assert await answer(reader) == (200, b"")

    run_by_hand(scenario, LIMITS)


@pytest.mark.parametrize("start", [b"", b"\r\n\r\n"])
def test_a_connection_that_asks_nothing_is_closed_without_a_word(start: bytes) -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(start)
            connection = await server.connection(has_sent(len(start)))
            server.pass_time(9.9)
            assert not connection.transport.is_closing()
            server.pass_time(0.2)
            assert await reader.read() == b""

    run_by_hand(scenario, LIMITS)


def test_a_connection_that_has_been_answered_is_closed_when_it_has_been_idle_for_long() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(GET)
            assert (await answer(reader))[0] == 200
            connection = await server.connection()
            server.pass_time(14.9)
            assert not connection.transport.is_closing()
            server.pass_time(0.2)
            assert await reader.read() == b""

    run_by_hand(scenario, LIMITS)


def test_a_request_that_the_application_works_on_has_no_deadline_here() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            await server.app.entered.wait()
            server.pass_time(3600.0)
            server.app.gate.set()
            assert (await answer(reader))[0] == 200

    run_by_hand(scenario, LIMITS)


def test_a_body_that_the_application_did_not_want_does_not_hold_the_connection() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nb")
            assert await answer(reader) == (200, b"")
            server.pass_time(30.1)
            assert await reader.read() == b""

    run_by_hand(scenario, LIMITS)


def test_a_body_that_nobody_wants_and_that_does_not_end_is_cut() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (DRAIN_BYTES * 10))
            assert await answer(reader) == (200, b"")
            connection = await server.connection()
            connection.arrival.size = DRAIN_BYTES  # as if so much had been sent
            writer.write(b"b")
            await server.connection(lambda each: each.arrival.size > DRAIN_BYTES)
            server.pass_time(1.0)
            assert await reader.read() == b""

    run_by_hand(scenario, LIMITS)


def test_a_peer_that_goes_on_sending_after_its_refusal_is_heard_for_the_time_of_a_request() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"nonsense\r\n\r\n")
            assert (await answer(reader))[0] == 400
            for _ in range(29):
                writer.write(b"b")
                await server.connection(lambda each: each.departure.heard)
                server.pass_time(1.0)
            writer.write(b"b")
            await server.connection(lambda each: each.departure.heard)
            server.pass_time(1.1)
            assert server.guard.state.connections
            server.pass_time(LINGER_SECONDS)
            await server.nobody()

    run_by_hand(scenario, LIMITS)


def test_a_peer_that_falls_silent_after_its_refusal_is_forgotten_as_soon_as_if_it_had_said_nothing() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"nonsense\r\n\r\n")
            assert (await answer(reader))[0] == 400
            writer.write(b"b")
            await server.connection(lambda each: each.departure.heard)
            server.pass_time(1.0)
            server.pass_time(LINGER_SECONDS)
            await server.nobody()

    run_by_hand(scenario, LIMITS)


def test_of_what_is_sent_after_a_refusal_little_is_taken() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"nonsense\r\n\r\n")
            assert (await answer(reader))[0] == 400
            writer.write(b"b" * LARGE)
            connection = await server.connection(lambda each: each.flow is not None and each.flow.read_paused)
            assert not connection.transport.is_reading()
            assert connection.arrival.size < 2 * REFUSED_BYTES
            server.pass_time(1.0)
            server.pass_time(LINGER_SECONDS + 0.1)
            await server.nobody()

    run_by_hand(scenario, LIMITS)


def test_a_peer_that_is_silent_after_its_refusal_is_soon_forgotten() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            writer.write(b"nonsense\r\n\r\n")
            assert status(await reader.read()) == 400
            server.pass_time(LINGER_SECONDS + 0.1)
            await server.nobody()

    run_by_hand(scenario, LIMITS)


UNREAD = b"GET /large HTTP/1.1\r\nhost: x\r\n%b\r\n"
LINES = pytest.mark.parametrize("line", [b"", b"connection: close\r\n"], ids=["kept", "last"])


@LINES
def test_a_peer_that_does_not_read_its_answer_is_dropped_after_the_time_of_a_request(line: bytes) -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (_, writer):
            await _leave_unread(server, writer, line)
            server.pass_time(29.9)
            server.pass_time(0.2)
            await server.nobody()

    run_by_hand(scenario, LIMITS)


@LINES
def test_a_peer_that_reads_its_answer_late_but_in_time_gets_all_of_it(line: bytes) -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (reader, writer):
            await _leave_unread(server, writer, line)
            for _ in range(29):
                server.pass_time(1.0)
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await answer(reader) == (200, b"b" * LARGE)

    run_by_hand(scenario, LIMITS)


def test_an_answer_that_is_not_read_does_not_hold_up_a_stop_for_ever() -> None:
    async def scenario(server: HandServer) -> None:
        async with server.connect() as (_, writer):
            await _leave_unread(server, writer, b"")
            server.guard.stop()
            server.pass_time(1.0)
            server.pass_time(30.0)
            await server.guard.quiet.wait()

    run_by_hand(scenario, LIMITS)


async def _leave_unread(server: HandServer, writer: asyncio.StreamWriter, line: bytes) -> None:
    """Ask for more than the buffers hold, read nothing, and wait until a sweep has noticed."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(UNREAD % line)
    await server.connection(lambda each: each.flow is not None and each.flow.write_paused)
    server.pass_time(1.0)


def test_others_get_their_turn_while_many_connections_are_ended() -> None:
    async def scenario(server: HandServer) -> None:
        async with contextlib.AsyncExitStack() as peers:
            readers = [(await peers.enter_async_context(server.connect()))[0] for _ in range(SLICE * 2 + 1)]
            while len(server.guard.state.connections) < len(readers):  # noqa: ASYNC110 (the server tells of no such event)
                await asyncio.sleep(0.001)
            left = [len(server.guard.state.connections)]
            for _ in server.guard.sweep(10.1, 10.1):
                await asyncio.sleep(0.01)
                left.append(len(server.guard.state.connections))
            assert [await reader.read() for reader in readers] == [b""] * len(readers)
            assert left == [SLICE * 2 + 1, SLICE + 1, 1]

    run_by_hand(scenario, LIMITS)
