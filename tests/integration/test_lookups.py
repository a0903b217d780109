"""Looking names up in threads: what a resolver that hangs may hold up, and what it may not."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from queue import SimpleQueue

import pytest

from hookwright.senders import lookups
from hookwright.senders.lookups import Lookups, LookupTimedOut, system_lookup

ADDRESS = ("192.0.2.1",)
PATIENT = 60.0
"""A time limit that no test comes near."""


class Resolver:
    """Answers at once, but hangs on every name that begins with "hang", until `released`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()
        self._hanging: SimpleQueue[str] = SimpleQueue()

    def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name.startswith("hang"):
            self._hanging.put(name)
            self.released.wait()
        return ADDRESS

    async def hangs(self, times: int = 1) -> None:
        """Return when that many more lookups hang."""
        for _ in range(times):
            await asyncio.to_thread(self._hanging.get)


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.released.set()


def scenario(resolver: Callable[[str], Sequence[str]], steps: Callable[[Lookups], Awaitable[None]], *, timeout: float = PATIENT) -> None:
    async def run() -> None:
        service = Lookups(resolver, timeout=timeout)
        try:
            async with asyncio.timeout(PATIENT / 2):
                await steps(service)
        finally:
            service.close()

    asyncio.run(run())


def few_threads(monkeypatch: pytest.MonkeyPatch, threads: int, *, reserved: int = 0) -> None:
    monkeypatch.setattr(lookups, "THREADS", threads)
    monkeypatch.setattr(lookups, "RESERVED", reserved)


async def ask(service: Lookups, *names: str) -> list["asyncio.Task[Sequence[str]]"]:
    """Asked for, each in a task of its own, and begun."""
    tasks = [asyncio.create_task(service.find(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def drop(tasks: list["asyncio.Task[Sequence[str]]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_forty_names_that_hang_do_not_hold_up_another(resolver: Resolver) -> None:
    async def steps(service: Lookups) -> None:
        hanging = await ask(service, *(f"hang{n}.example" for n in range(40)))
        await resolver.hangs(40)
        assert await service.find("healthy.example") == ADDRESS
        await drop(hanging)

    scenario(resolver, steps)


def test_a_name_that_has_answered_before_is_found_whatever_number_hangs(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "FRESH_SECONDS", 0.0)

    async def steps(service: Lookups) -> None:
        await service.find("healthy.example")
        hanging = await ask(service, *(f"hang{n}.example" for n in range(500)))
        await resolver.hangs(lookups.THREADS - lookups.RESERVED)
        assert await service.find("healthy.example") == ADDRESS
        assert len(resolver.asked) == 2 + lookups.THREADS - lookups.RESERVED
        await drop(hanging)

    scenario(resolver, steps)


def test_all_who_ask_for_a_name_share_one_lookup(resolver: Resolver) -> None:
    async def steps(service: Lookups) -> None:
        waiting = await ask(service, *["hang.example"] * 20)
        await drop(waiting[:5])
        resolver.released.set()
        assert await asyncio.gather(*waiting[5:]) == [ADDRESS] * 15
        assert resolver.asked == ["hang.example"]

    scenario(resolver, steps)


def test_a_name_that_did_not_answer_in_time_is_not_asked_again_for_a_while(resolver: Resolver) -> None:
    async def steps(service: Lookups) -> None:
        for _ in range(3):
            with pytest.raises(LookupTimedOut):
                await service.find("hang.example")
        assert resolver.asked == ["hang.example"]

    scenario(resolver, steps, timeout=0.02)


def test_a_name_that_hangs_for_good_holds_two_threads_at_most(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "LATE_SECONDS", 0.0)

    async def steps(service: Lookups) -> None:
        for _ in range(5):
            with pytest.raises(LookupTimedOut):
                await service.find("hang.example")
        await resolver.hangs(2)
        assert resolver.asked == ["hang.example"] * 2

    scenario(resolver, steps, timeout=0.02)


def test_the_time_limit_starts_with_the_lookup_and_not_with_the_wait_for_a_thread(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_threads(monkeypatch, 1)

    async def steps(service: Lookups) -> None:
        first, second = await ask(service, "hang.example", "healthy.example")
        with pytest.raises(LookupTimedOut):
            await first
        resolver.released.set()
        assert await second == ADDRESS

    scenario(resolver, steps, timeout=0.5)


def test_who_waits_no_longer_leaves_the_queue(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    few_threads(monkeypatch, 1)

    async def steps(service: Lookups) -> None:
        _, left, stays = await ask(service, "hang.example", "left.example", "stays.example")
        await drop([left])
        resolver.released.set()
        await stays
        assert resolver.asked == ["hang.example", "stays.example"]

    scenario(resolver, steps)


def test_an_answer_that_comes_too_late_serves_the_next_who_asks(resolver: Resolver) -> None:
    async def steps(service: Lookups) -> None:
        found = None
        while found is None:
            try:
                found = await service.find("hang.example")
            except LookupTimedOut:
                resolver.released.set()
                await asyncio.sleep(0)
        assert (found, resolver.asked) == (ADDRESS, ["hang.example"])

    scenario(resolver, steps, timeout=0.02)


def test_an_answer_is_used_again(resolver: Resolver) -> None:
    async def steps(service: Lookups) -> None:
        assert [await service.find("healthy.example") for _ in range(3)] == [ADDRESS] * 3
        assert resolver.asked == ["healthy.example"]

    scenario(resolver, steps)


def test_an_old_answer_is_not_used(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "FRESH_SECONDS", 0.0)

    async def steps(service: Lookups) -> None:
        for _ in range(2):
            await service.find("healthy.example")
        assert resolver.asked == ["healthy.example"] * 2

    scenario(resolver, steps)


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "not known"), UnicodeError("label too long")])
def test_a_lookup_that_fails_finds_nothing_and_is_made_again(error: Exception) -> None:
    asked: list[str] = []

    def failing(name: str) -> Sequence[str]:
        asked.append(name)
        raise error

    async def steps(service: Lookups) -> None:
        assert [await service.find("no.example") for _ in range(2)] == [(), ()]
        assert len(asked) == 2

    scenario(failing, steps)


def test_no_more_addresses_are_kept_than_can_be_of_use() -> None:
    async def steps(service: Lookups) -> None:
        assert len(await service.find("many.example")) == lookups.MAX_RECORDS

    scenario(lambda _: [f"192.0.2.{n}" for n in range(200)], steps)


def test_a_process_ends_while_a_lookup_hangs() -> None:
    script = """
import asyncio, threading
from hookwright.sender import Request
from hookwright.senders.http import HttpSender

async def main():
    sender = HttpSender(lookup=lambda name: threading.Event().wait(), lookup_timeout=0.05)
    print((await sender.send(Request("http://hooks.example/", (), b"", 5.0))).fault)
    await sender.close()

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "dns\n", "")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("hooks.example", "hooks.example."), ("hooks.example.", "hooks.example."), ("127.0.0.1e0.net", "127.0.0.1e0.net."),
        ("backend", "backend"), ("db.default.svc", "db.default.svc"),
    ],
)  # fmt: skip
def test_a_name_of_the_internet_is_looked_up_with_the_roots_dot_so_that_no_search_list_adds_to_it(
    monkeypatch: pytest.MonkeyPatch, name: str, asked: str
) -> None:
    names: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        names.append(host)
        return [(2, 1, 6, "", ("8.8.8.8", 0)), (2, 1, 6, "", ("8.8.8.8", 0))]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    assert system_lookup(name) == ["8.8.8.8"]
    assert names == [asked]
