"""Connections that the HTTP sender keeps: which are used again, how many there are, and what may come of them."""

import asyncio
from contextlib import suppress
from typing import Any

from hookwright.sender import Failure, Response
from tests.integration.receivers import OK, Connection, Handler, answering, closing, pass_time, receiving, request, sending


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


def announcing(value: bytes) -> Handler:
    return answering(OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: " + value + b"\r\n\r\n"))


def test_a_connection_is_not_used_in_the_last_second_for_which_its_receiver_announced_to_keep_it() -> None:
    assert asyncio.run(connections_after(3, announcing(b"timeout=1"))) == 3
    assert asyncio.run(connections_after(3, announcing(b"max=9, Timeout = 0"))) == 3


def test_a_connection_that_is_announced_to_be_kept_for_longer_is_used_again() -> None:
    assert asyncio.run(connections_after(3, announcing(b"timeout=3600, max=9"))) == 1
    assert asyncio.run(connections_after(3, announcing(b"max=9"))) == 1


def test_what_a_receiver_announced_does_not_lengthen_what_we_keep() -> None:
    async def scenario() -> int:
        async with receiving(announcing(b"timeout=3600")) as receiver, sending() as sender:
            await sender.send(request(receiver.url))
            pass_time(4.0)
            await sender.send(request(receiver.url))
            return receiver.connections

    assert asyncio.run(scenario()) == 2


def test_an_announced_time_is_counted_from_the_answer() -> None:
    async def scenario(later: float) -> int:
        async with receiving(announcing(b"timeout=3600")) as receiver, sending(keepalive=7200.0, max_age=7200.0 * 2) as sender:
            await sender.send(request(receiver.url))
            pass_time(later)
            await sender.send(request(receiver.url))
            return receiver.connections

    assert asyncio.run(scenario(3000.0)) == 1
    assert asyncio.run(scenario(3599.0)) == 2


def test_the_last_attempt_there_is_goes_out_over_a_new_connection_which_is_kept() -> None:
    async def scenario() -> int:
        async with receiving(answering(OK)) as receiver, sending() as sender:
            await sender.send(request(receiver.url))
            await sender.send(request(receiver.url, last=True))
            await sender.send(request(receiver.url))
            return receiver.connections

    assert asyncio.run(scenario()) == 2


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


def test_the_connection_used_last_is_used_next() -> None:
    async def scenario() -> tuple[Connection, Connection]:
        both, first_is_back, used = asyncio.Barrier(2), asyncio.Event(), list[Connection]()

        async def handler(connection: Connection) -> None:
            await connection.request()
            if await both.wait():  # 1 for one of the two
                await first_is_back.wait()
            while True:
                used.append(connection)
                await connection.answer(OK)
                await connection.request()

        async with receiving(handler) as receiver, sending() as sender:
            sent = [asyncio.create_task(sender.send(request(receiver.url))) for _ in range(2)]
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            first_is_back.set()
            await asyncio.wait(sent)
            await sender.send(request(receiver.url))
            return used[1], used[2]

    last, following = asyncio.run(scenario())
    assert following is last


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
