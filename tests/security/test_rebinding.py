"""Ten thousand name servers that mean one thing when they are asked, and another when it counts."""

import asyncio
import random

import pytest

from hookwright.senders import lookups
from hookwright.senders.faults import BLOCKED_NAME, Unreached
from hookwright.senders.guard import Guard
from hookwright.senders.http import HttpSender
from tests.dns import Dns, rebinding
from tests.integration.receivers import request, sending
from tests.security.canary import canary
from tests.zoo.nets import faked_net

pytestmark = pytest.mark.long
SEED = 20_260_104
AT_ONCE = 200
GOOD = ("8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::200e")
BAD = (
    "127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fe80::1%lo", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "224.0.0.1",
)  # fmt: skip


def dialed_after(count: int, port: int, seed: int) -> list[str]:
    """The addresses that were connected to while so many names were sent to, a few times each, on two ports."""

    async def scenario() -> list[str]:
        rand, dns = random.Random(seed), Dns()
        with faked_net() as net:
            async with sending(allowed=(), lookup=dns) as sender:
                for begin in range(0, count, AT_ONCE):
                    names = [f"r{number}.example" for number in range(begin, min(count, begin + AT_ONCE))]
                    for name in names:
                        dns.add(name, *rebinding(rand, GOOD, BAD))
                    await asyncio.gather(*(hammer(sender, name, port, rand.randrange(2, 7)) for name in names))
        return [address for address, _ in net.dialed]

    return asyncio.run(scenario())


async def hammer(sender: HttpSender, name: str, port: int, times: int) -> None:
    for _ in range(times):
        await sender.send(request(f"http://{name}:{port}/"))


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt asks anew."""
    monkeypatch.setattr(lookups, "FRESH_SECONDS", 0.0)


@pytest.mark.timeout(600)
def test_of_ten_thousand_schedules_none_has_a_bad_address_connected_to() -> None:
    with canary() as watching:
        dialed = dialed_after(10_000, watching.port, SEED)
    assert watching.reached == []
    assert set(dialed) <= set(GOOD)
    assert len(dialed) > 10_000  # the good answers were good for something


def test_the_schedules_would_find_a_guard_that_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above could pass for nothing."""
    monkeypatch.setattr(Guard, "_judge", lambda *_: None)
    with canary() as watching:
        dialed = dialed_after(200, watching.port, SEED)
    assert set(dialed) > set(GOOD)
    assert watching.reached


def test_the_schedules_would_find_a_guard_that_judges_only_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, judged = Guard._judge, set[str]()

    async def addresses(guard: Guard, host: str, port: int) -> object:
        found = await guard._lookups.find(host)
        if host not in judged:
            judged.add(host)
            if any(judge(guard, address, port) for address in found):
                raise Unreached(BLOCKED_NAME)
        return found

    monkeypatch.setattr(Guard, "addresses", addresses)
    monkeypatch.setattr(Guard, "check", lambda *_: None)
    with canary() as watching:
        dialed = dialed_after(200, watching.port, SEED)
    assert not set(dialed) <= set(GOOD)
