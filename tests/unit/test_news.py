"""What a process does with news: each once, in whatever order they were committed; and everything where some may be missing."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from hookwright.engine import news
from hookwright.engine.directory import Directory
from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.news import LONGEST_PAUSE, Follower
from hookwright.store import Store
from hookwright.store.news import News
from tests.simulation.loop import VirtualLoop

EVERYTHING = "everything"


class Told:
    """A store with the news to come, the newest first; and directory and dispatcher in one, which note what is dropped."""

    def __init__(self) -> None:
        self.recent: list[News] = []
        self.dropped: list[str] = []
        self.looks: list[float] = []
        self.takes = 0.0

    async def read(self, query: Any) -> list[News]:
        self.looks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        return self.recent[: query.most]

    def forget(self, application: str) -> None:
        self.dropped.append(application)

    def forget_everything(self) -> None:
        self.dropped.append(EVERYTHING)

    def everything_changed(self) -> None:
        pass

    def endpoint_changed(self, endpoint: str) -> None:
        self.dropped.append(endpoint)

    def message_expunged(self, message: str) -> None:
        self.dropped.append(message)

    def took(self) -> list[str]:
        self.dropped, dropped = [], self.dropped
        return dropped


def app(number: int) -> News:
    return News(number, "application", f"app{number}", f"app{number}")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def follower(told: Told, loop: asyncio.AbstractEventLoop) -> Follower:
    """One that has looked once."""
    made = Follower(store=cast(Store, told), directory=cast(Directory, told), dispatcher=cast(Dispatcher, told))
    loop.run_until_complete(made.look())
    assert told.took() == [EVERYTHING]
    return made


def test_each_piece_of_news_is_heeded_once(told: Told, follower: Follower, loop: asyncio.AbstractEventLoop) -> None:
    told.recent = [app(2), app(1)]
    loop.run_until_complete(follower.look())
    told.recent = [app(3), app(2), app(1)]
    loop.run_until_complete(follower.look())
    assert told.took() == ["app1", "app2", "app3"]


def test_what_was_committed_later_under_a_smaller_id_is_heeded_too(told: Told, follower: Follower, loop: asyncio.AbstractEventLoop) -> None:
    told.recent = [app(7)]
    loop.run_until_complete(follower.look())
    told.recent = [app(7), app(5)]
    loop.run_until_complete(follower.look())
    assert told.took() == ["app7", "app5"]


def test_an_endpoint_is_dropped_with_its_application_and_a_message_from_the_lanes(
    told: Told, follower: Follower, loop: asyncio.AbstractEventLoop
) -> None:
    told.recent = [News(2, "message", "", "msg"), News(1, "endpoint", "app", "ep")]
    loop.run_until_complete(follower.look())
    assert told.took() == ["app", "ep", "msg"]


def test_after_a_pause_nothing_in_memory_is_trusted(
    told: Told, follower: Follower, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = loop.time() + LONGEST_PAUSE + 1
    monkeypatch.setattr(loop, "time", lambda: later)
    loop.run_until_complete(follower.look())
    assert told.took() == [EVERYTHING]
    loop.run_until_complete(follower.look())
    assert told.took() == []


def test_more_news_than_are_read_mean_everything(
    told: Told, follower: Follower, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "MOST", 3)
    told.recent = [app(n) for n in (4, 3, 2, 1)]
    loop.run_until_complete(follower.look())
    assert told.took() == [EVERYTHING]
    loop.run_until_complete(follower.look())
    assert told.took() == []


def test_a_look_that_reads_all_it_may_down_to_what_was_heeded_has_missed_nothing(
    told: Told, follower: Follower, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "MOST", 3)
    told.recent = [app(n) for n in (2, 1)]
    loop.run_until_complete(follower.look())
    for newest in (3, 4, 5):
        told.recent = [app(n) for n in range(newest, 0, -1)]
        loop.run_until_complete(follower.look())
    assert told.took() == ["app1", "app2", "app3", "app4", "app5"]


def test_what_was_committed_later_than_as_many_as_are_read_is_made_up_for_once(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "MOST", 3)
    with closing(VirtualLoop()) as loop:

        async def story() -> list[str]:
            follower = Follower(store=cast(Store, told), directory=cast(Directory, told), dispatcher=cast(Dispatcher, told))
            told.recent = [app(n) for n in (3, 2, 1)]
            for _ in range(9):
                await follower.look()
                await asyncio.sleep(LONGEST_PAUSE)
            told.recent = []
            for _ in range(9):
                await follower.look()
                await asyncio.sleep(LONGEST_PAUSE)
            return told.took()

        assert loop.run_until_complete(story()) == [EVERYTHING] * 3  # at the start, after WITHIN_MS, and after the last of them


@pytest.mark.parametrize(("takes", "most"), [(0.0, 11.0 / news.LEAST_SECONDS), (0.1, 11.0 / (news.EVERY_SECONDS + 0.1) + 1)])
def test_who_is_called_all_the_time_looks_less_often_where_looking_takes_long(told: Told, takes: float, most: float) -> None:
    told.takes = takes
    with closing(VirtualLoop()) as loop:

        async def story() -> None:
            follower = Follower(store=cast(Store, told), directory=cast(Directory, told), dispatcher=cast(Dispatcher, told))
            running = asyncio.create_task(follower.run())
            for _ in range(1_000):
                follower.call()
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        loop.run_until_complete(story())
    assert 10.0 / (news.EVERY_SECONDS + takes) - 1 <= len(told.looks) <= most


def test_listeners_hear_what_was_told_and_that_anything_may_have_been(
    told: Told, follower: Follower, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[News | None] = []
    follower.subscribe(heard.append)
    told.recent = [app(1)]
    loop.run_until_complete(follower.look())
    later = loop.time() + LONGEST_PAUSE + 1
    monkeypatch.setattr(loop, "time", lambda: later)
    loop.run_until_complete(follower.look())
    assert heard == [app(1), None]
