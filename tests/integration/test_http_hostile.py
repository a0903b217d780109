"""The HTTP sender and receivers that mean it harm, or break at the worst moment; on both event loops it may run on.

What each test looks at in the end is the same: the result, and that neither a socket nor a place in the pool is left.
"""

import asyncio
import os
import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest

from hookwright.sender import Failure, Response
from hookwright.senders.answers import Answers
from hookwright.senders.connections import Connection as Dialed
from hookwright.senders.faults import BROKEN, CLOSED, INCOMPLETE, MALFORMED, UNANSWERED
from hookwright.senders.http import HttpSender
from hookwright.senders.requests import target_of
from tests.certificates import Authority, server_context
from tests.integration.receivers import OK, Connection, Receiver, answering, closing, receiving, request, sending, silent
from tests.integration.sockets import FINE, Run, all_closed, pool_of, sockets
from tests.waiting import until
from tests.zoo.cages import reset


def encrypted() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    root = Authority()
    return server_context(root.issue()), ssl.create_default_context(cadata=root.pem)


# Ends at the wrong moment


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (b"", BROKEN),
        (b"HTTP/1.1 200 OK\r\nContent-Le", BROKEN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", BROKEN),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", BROKEN),
    ],
    ids=["before the answer", "in the head", "in the body", "in a body without a length"],
)
def test_a_reset_is_never_the_end_of_a_whole_answer(run: Run, said: bytes, result: Failure) -> None:
    async def scenario() -> Response | Failure:
        async def handler(connection: Connection) -> None:
            await connection.request()
            await connection.answer(said)
            await until(lambda: not said or len(pool_of(sender)._open) == 1)
            reset(connection)

        async with receiving(handler) as receiver, sending() as sender:
            return await sender.send(request(receiver.url))

    assert run(scenario()) == result


@pytest.mark.parametrize("addresses", [1, 2])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_resets_whatever_connects_is_a_broken_connection_at_whatever_moment(run: Run, scheme: str, addresses: int) -> None:
    async def scenario() -> tuple[set[str], list[Any]]:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
            resetting = threading.Thread(target=reset_all, args=(server, 1000))
            resetting.start()
            url = f"{scheme}://hooks.example:{server.getsockname()[1]}/"
            async with sending(lookup=lambda _: ["127.0.0.1"] * addresses, connect_timeout=2.0) as sender:
                faults = set[str]()
                for _ in range(10):
                    for result in await asyncio.gather(*(sender.send(request(url)) for _ in range(50))):
                        assert isinstance(result, Failure)
                        faults.add(result.fault)
                assert pool_of(sender)._in_use == 0
            server.shutdown(socket.SHUT_RDWR)
            resetting.join()
        return faults, complaints

    assert run(scenario()) == ({"connection"}, [])


def reset_all(server: socket.socket, most: int) -> None:
    """Accept and reset, until the server is shut down."""
    with suppress(OSError):
        for _ in range(most):
            accepted, _address = server.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()


def test_a_receiver_that_closes_its_side_before_it_answers_has_not_answered(run: Run) -> None:
    async def scenario() -> Response | Failure:
        async def handler(connection: Connection) -> None:
            await connection.request()
            connection.writer.write_eof()
            await connection.reader.read()

        async with receiving(handler) as receiver, sending() as sender:
            return await sender.send(request(receiver.url))

    assert run(scenario()) == UNANSWERED


def test_an_answer_and_the_end_behind_it_count_and_the_connection_is_not_used_again(run: Run) -> None:
    async def scenario() -> tuple[list[Response | Failure], int]:
        async with receiving(closing(OK)) as receiver, sending() as sender:
            results = []
            for _ in range(3):
                results.append(await sender.send(request(receiver.url)))
                await until(lambda: not pool_of(sender)._unused)
            return results, receiver.connections

    assert run(scenario()) == ([FINE] * 3, 3)


def test_a_receiver_that_speaks_before_it_is_asked_is_hung_up_on(run: Run) -> None:
    async def scenario() -> Failure | None:
        async def greet(connection: Connection) -> None:
            await connection.answer(OK)
            await connection.reader.read()

        async with receiving(greet) as receiver, sending() as sender:
            home = sender._open()
            loop, target = asyncio.get_running_loop(), target_of(receiver.url)
            _, connection = await loop.create_connection(lambda: Dialed(target[:3], home, Answers(100, 100)), "127.0.0.1", receiver.port)
            await receiver.ended.wait()
            return connection.fault

    assert run(scenario()) == MALFORMED


def test_a_cut_answer_over_tls_is_incomplete(run: Run) -> None:
    server, client = encrypted()

    async def scenario() -> Response | Failure:
        async with receiving(closing(OK[:-1]), tls=server) as receiver, sending(tls=client) as sender:
            return await sender.send(request(f"https://127.0.0.1:{receiver.port}/"))

    assert run(scenario()) == INCOMPLETE


# Bodies that do not go out


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_early_answer_to_a_large_body_counts_and_its_connection_is_not_used_again(run: Run, scheme: str) -> None:
    server, client = encrypted()

    async def scenario() -> tuple[Response | Failure, int]:
        async def handler(connection: Connection) -> None:
            await connection.reader.readuntil(b"\r\n\r\n")
            await connection.answer(OK)
            if receiver.connections == 1:
                await receiver.requested.wait()
                receiver.ended.set()

        async with receiving(handler, tls=server if scheme == "https" else None) as receiver, sending(tls=client) as sender:
            receiver.scheme = scheme
            assert await sender.send(request(receiver.url, body=b"x" * 20_000_000)) == FINE
            result = await sender.send(request(receiver.url))
            receiver.requested.set()
            return result, receiver.connections

    assert run(scenario()) == (FINE, 2)


def test_a_receiver_that_does_not_read_ends_at_the_deadline_and_costs_one_body(run: Run) -> None:
    async def scenario() -> Response | Failure:
        async def handler(connection: Connection) -> None:
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await receiver.requested.wait()

        before = sockets()
        async with receiving(handler) as receiver, sending() as sender:
            result = await sender.send(request(receiver.url, body=b"x" * 20_000_000, deadline=0.2))
            receiver.requested.set()
        await all_closed(before)
        return result

    result = run(scenario())
    assert result == Failure("timeout", "no answer within 0.2 s")


def test_a_large_body_arrives_as_it_was(run: Run) -> None:
    body = os.urandom(3_000_000)

    async def scenario() -> bytes:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            assert await sender.send(request(receiver.url, body=body)) == FINE
            return receiver.requests[0].partition(b"\r\n\r\n")[2]

    assert run(scenario()) == body


# Cancelling


async def storm(sender: HttpSender, receiver: Receiver, *, count: int, seed: int) -> None:
    """Attempts that are cancelled after a different number of turns of the loop each, and waited for."""
    tasks = [asyncio.ensure_future(sender.send(request(receiver.url))) for _ in range(count)]
    for turn in range(count):
        await asyncio.sleep(0)
        tasks[(turn * 7 + seed) % count].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("answers", [True, False], ids=["answering", "silent"])
def test_a_storm_of_cancellations_leaves_no_socket_and_no_place_taken(run: Run, secure: bool, answers: bool) -> None:
    server, client = encrypted()

    async def scenario() -> None:
        before = sockets()
        async with receiving(answering(OK) if answers else silent, tls=server if secure else None) as receiver:
            receiver.scheme = "https" if secure else "http"
            async with sending(connections=10, tls=client) as sender:
                for seed in range(10):
                    await storm(sender, receiver, count=30, seed=seed)
                if answers:
                    results = await asyncio.gather(*(sender.send(request(receiver.url)) for _ in range(30)))
                    assert results == [FINE] * 30
                pool = pool_of(sender)
                assert (pool._in_use, len(pool._waiting)) == (0, 0)
                assert [len(waiting) for waiting in sender._deadlines.values() if len(waiting)] == []
                assert len(pool._kept) == len(pool._open) == sum(map(len, pool._unused.values())) <= 10
        await all_closed(before)

    run(scenario())


def test_a_handshake_that_hangs_ends_with_its_attempt(run: Run) -> None:
    async def scenario() -> Response | Failure:
        async def handler(connection: Connection) -> None:
            await connection.reader.read(1)
            receiver.requested.set()
            await connection.reader.read()

        before = sockets()
        async with receiving(handler) as receiver, sending(connect_timeout=0.2) as sender:
            cancelled = asyncio.ensure_future(sender.send(request(f"https://127.0.0.1:{receiver.port}/")))
            await receiver.requested.wait()
            cancelled.cancel()
            await asyncio.wait([cancelled])
            await receiver.ended.wait()
            result = await sender.send(request(f"https://127.0.0.1:{receiver.port}/"))
        await all_closed(before)
        return result

    assert run(scenario()) == Failure("timeout", "no connection could be made in time")


def test_cancelling_an_attempt_whose_answer_is_there_does_not_touch_the_next_one(run: Run) -> None:
    async def scenario() -> tuple[Response | Failure, int]:
        async with receiving(answering(OK)) as receiver, sending(connections=1) as sender:
            await sender.send(request(receiver.url))
            pool = pool_of(sender)
            first = asyncio.ensure_future(sender.send(request(receiver.url)))
            await asyncio.sleep(0)
            second = asyncio.ensure_future(sender.send(request(receiver.url)))
            (connection,) = pool._open
            ended = connection._end

            def end(*arguments: Any, **options: Any) -> None:
                connection._end = ended  # type: ignore[method-assign]
                ended(*arguments, **options)
                first.cancel()

            connection._end = end  # type: ignore[method-assign]
            await asyncio.wait([first])
            assert first.cancelled()
            return await second, receiver.connections

    assert run(scenario()) == (FINE, 1)


def test_closing_the_sender_ends_what_is_under_way(run: Run) -> None:
    async def scenario() -> list[Response | Failure]:
        before = sockets()
        async with receiving(silent) as receiver:
            async with sending(connections=1) as sender:
                sent = [asyncio.ensure_future(sender.send(request(receiver.url))) for _ in range(3)]
                await receiver.requested.wait()
            results = await asyncio.gather(*sent)
            results.append(await sender.send(request(receiver.url)))
        await all_closed(before)
        return results

    assert run(scenario()) == [CLOSED] * 4
