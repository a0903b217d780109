"""Many attempts at once, and connections that are kept: how many there are, and whose turn it is."""

import asyncio

from hookwright.sender import Failure, Response
from tests.integration.receivers import OK, Connection, answering, receiving, request, sending
from tests.integration.sockets import FINE, Run, all_closed, pool_of, sockets
from tests.waiting import until


def test_a_thousand_at_once_are_served_by_as_many_connections_as_are_allowed(run: Run) -> None:
    async def scenario() -> int:
        before = sockets()
        async with receiving(answering(OK)) as receiver, sending(connections=50) as sender:
            results = await asyncio.gather(*(sender.send(request(receiver.url, deadline=60)) for _ in range(1000)))
            assert results == [FINE] * 1000
            connections = receiver.connections
        await all_closed(before)
        return connections

    assert run(scenario()) <= 50


def test_who_waits_for_a_connection_is_served_in_turn(run: Run) -> None:
    async def scenario() -> list[bytes]:
        async with receiving(answering(OK)) as receiver, sending(connections=1) as sender:
            await asyncio.gather(*(sender.send(request(receiver.url, body=b"%d" % number)) for number in range(20)))
            return [whole.partition(b"\r\n\r\n")[2] for whole in receiver.requests]

    assert run(scenario()) == [b"%d" % number for number in range(20)]


def test_an_unused_connection_is_closed_after_its_time(run: Run) -> None:
    async def scenario() -> None:
        async with receiving(answering(OK)) as receiver, sending(keepalive=0.05) as sender:
            await asyncio.gather(*(sender.send(request(receiver.url)) for _ in range(5)))
            pool = pool_of(sender)
            await until(lambda: not pool._open)
            assert pool._unused == {}
            assert await sender.send(request(receiver.url)) == FINE

    run(scenario())


def test_a_connection_to_one_name_is_never_used_for_another_at_the_same_address(run: Run) -> None:
    async def scenario() -> tuple[int, list[bytes]]:
        async with receiving(answering(OK)) as receiver, sending(lookup=lambda _: ["127.0.0.1"]) as sender:
            for name in ("one.example", "two.example", "one.example", "two.example", "two.example.", "127.0.0.1"):
                assert await sender.send(request(f"http://{name}:{receiver.port}/")) == FINE
            return receiver.connections, [whole.split(b"\r\n")[1].partition(b":")[2].strip() for whole in receiver.requests]

    connections, hosts = run(scenario())
    assert connections == 4
    assert [host.partition(b":")[0] for host in hosts] == [
        b"one.example", b"two.example", b"one.example", b"two.example", b"two.example", b"127.0.0.1",
    ]  # fmt: skip


def test_what_one_request_on_a_kept_connection_says_is_not_said_by_the_next(run: Run) -> None:
    """Two endpoints of two customers at one host share connections, and nothing else."""

    async def scenario() -> tuple[int, list[bytes]]:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            for headers in ((("Authorization", "Bearer one"), ("X-Api-Key", "k")), (), (("Authorization", "Bearer two"),)):
                assert await sender.send(request(receiver.url, headers=headers)) == FINE
            return receiver.connections, receiver.requests

    connections, requests = run(scenario())
    assert connections == 1
    assert [whole.count(b"Bearer one") + whole.count(b"X-Api-Key") for whole in requests] == [2, 0, 0]
    assert [whole.count(b"Bearer two") for whole in requests] == [0, 0, 1]


def test_a_deadline_holds_for_a_kept_connection_too(run: Run) -> None:
    async def scenario() -> tuple[list[Response | Failure], int]:
        async def handler(connection: Connection) -> None:
            await connection.request()
            await connection.answer(OK)
            await connection.request()
            await connection.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1")
            await connection.reader.read()

        async with receiving(handler) as receiver, sending() as sender:
            results = [await sender.send(request(receiver.url, deadline=deadline)) for deadline in (5, 0.2, 5)]
            return results, receiver.connections

    (first, late, last), connections = run(scenario())
    assert (first, late.fault, last, connections) == (FINE, "timeout", FINE, 2)
