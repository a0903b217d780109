"""Receivers with several addresses: which is tried, which is used, and which may not be."""

import asyncio
import socket
from typing import Any

import pytest

from hookwright.sender import Failure, Response
from hookwright.senders import dialing
from hookwright.senders.connections import Make
from hookwright.senders.guard import Guard
from tests.integration.receivers import OK, Connection, answering, receiving, request, sending
from tests.integration.sockets import FINE, Run, all_closed, sockets
from tests.waiting import until


def test_the_next_address_is_tried_when_one_refuses(run: Run) -> None:
    async def scenario() -> Response | Failure:
        async with receiving(answering(OK)) as receiver, sending(lookup=lambda _: ["127.0.0.9", "::1", "127.0.0.1"]) as sender:
            return await sender.send(request(f"http://hooks.example:{receiver.port}/"))

    assert run(scenario()) == FINE


def test_the_next_address_is_tried_when_one_does_not_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, begun, ended = dialing.Dialer._connect, [], []

    async def dead_at_first(dialer: dialing.Dialer, address: str, port: int, make: Make) -> Any:
        begun.append(address)
        if address == "127.0.0.9":
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(address)
        return await connect(dialer, address, port, make)

    async def scenario() -> Response | Failure:
        monkeypatch.setattr(dialing.Dialer, "_connect", dead_at_first)
        monkeypatch.setattr(dialing, "STAGGER", 0.01)
        async with receiving(answering(OK)) as receiver, sending(lookup=lambda _: ["127.0.0.9", "127.0.0.1", "::1"]) as sender:
            result = await sender.send(request(f"http://hooks.example:{receiver.port}/"))
            await until(lambda: ended == ["127.0.0.9"])
            return result

    assert run(scenario()) == FINE
    assert begun[:2] == ["127.0.0.9", "127.0.0.1"]


def test_of_two_addresses_that_connect_at_once_one_is_used_and_the_other_let_go(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = dialing.Dialer._connect

    async def scenario() -> tuple[Response | Failure, int]:
        both = asyncio.Barrier(2)

        async def at_once(dialer: dialing.Dialer, address: str, port: int, make: Make) -> Any:
            connection = await connect(dialer, address, port, make)
            await both.wait()
            return connection

        monkeypatch.setattr(dialing.Dialer, "_connect", at_once)
        monkeypatch.setattr(dialing, "STAGGER", 0.0)
        before = sockets()
        async with receiving(answering(OK), host="0.0.0.0") as receiver:
            listening = sockets()
            async with sending(lookup=lambda _: ["127.0.0.1", "127.0.0.2"]) as sender:
                result = await sender.send(request(f"http://hooks.example:{receiver.port}/"))
                await until(lambda: sockets() == listening + 2)  # both ends of the one that is kept
                connections = receiver.connections
        await all_closed(before)
        return result, connections

    assert run(scenario()) == (FINE, 2)


def test_when_every_address_refuses_the_connection_is_refused(run: Run) -> None:
    async def scenario() -> Response | Failure:
        before = sockets()
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with sending(lookup=lambda _: ["127.0.0.9", "127.0.0.1"]) as sender:
                result = await sender.send(request(f"http://hooks.example:{unused.getsockname()[1]}/"))
        await all_closed(before)
        return result

    assert run(scenario()) == Failure("refused", "the connection was refused")


def test_the_peer_is_judged_before_tls_begins(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def forgetful(guard: Guard, address: str, port: int) -> str | None:
        """Lets all pass but the last, which is of the connected socket."""
        asked.append(address)
        return judge(guard, address, port) if len(asked) == 3 else None

    judge = Guard._judge

    async def scenario() -> tuple[Response | Failure, bytes]:
        sent = asyncio.get_running_loop().create_future()

        async def handler(connection: Connection) -> None:
            sent.set_result(await connection.reader.read())

        monkeypatch.setattr(Guard, "_judge", forgetful)
        async with receiving(handler) as receiver, sending(allowed=(), lookup=lambda _: ["127.0.0.1"]) as sender:
            return await sender.send(request(f"https://hooks.example:{receiver.port}/")), await sent

    result, sent = run(scenario())
    assert (result.fault, sent) == ("blocked", b"")
