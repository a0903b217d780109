"""What has a rate gets so many messages a second and no more, whoever sends them; and who has none does not wait for it."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from hookwright.engine.paces import CATCHING_UP
from tests.simulation.engines import Engines, answering, most_within, play


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("rate", [1, 3, 50])
def test_an_endpoint_gets_as_many_messages_a_second_as_its_rate_says_and_no_more(rate: int) -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=rate)
        await engines.endpoint("free")
        await engines.send(5 * rate + 1)
        await asyncio.sleep(0.2)
        assert len(engines.times("free")) == 5 * rate + 1
        await asyncio.sleep(5.3)
        assert len(engines.times("slow")) == 5 * rate + 1
        assert most_within(engines.times("slow")) <= rate

    play(story)


def test_messages_that_come_more_slowly_than_the_rate_do_not_wait() -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=10)
        for number in range(1, 31):
            began = engines.now()
            await engines.send()
            await asyncio.sleep(0.05)
            assert len(engines.times("slow", since=began)) == 1, number
            await asyncio.sleep(0.1)

    play(story)


def test_an_applications_rate_is_that_of_all_its_endpoints_together_and_each_gets_its_share() -> None:
    async def story(engines: Engines) -> None:
        await engines.application(throttle_rate=10)
        names = ("one", "two", "three")
        for name in names:
            await engines.endpoint(name)
        await engines.application("app_2")
        await engines.endpoint("elsewhere", "app_2")
        await engines.send(20)
        await engines.send(20, "app_2")
        await asyncio.sleep(0.2)
        assert len(engines.times("elsewhere")) == 20
        await asyncio.sleep(3.3)
        assert min(len(engines.times(name)) for name in names) >= 5
        await asyncio.sleep(3)
        assert [len(engines.times(name)) for name in names] == [20, 20, 20]
        assert most_within(engines.times(*names)) <= 10

    play(story)


def test_of_an_endpoints_rate_and_its_applications_both_are_kept() -> None:
    async def story(engines: Engines) -> None:
        await engines.application(throttle_rate=15)
        await engines.endpoint("slow", throttle_rate=5)
        await engines.endpoint("free")
        await engines.send(60)
        await asyncio.sleep(14)
        assert (len(engines.times("slow")), len(engines.times("free"))) == (60, 60)
        assert most_within(engines.times("slow")) <= 5 / CATCHING_UP + 1
        both = engines.times("slow", "free")
        for seconds in (1, 2, 5):  # a turn of the application waits for one of the endpoint's own: for a second at most
            assert most_within(both, seconds - 0.01) <= 15 * (seconds + 1)

    play(story)


def test_two_processes_share_a_rate() -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=10)
        for node in (0, 1):
            await engines.send(30, node=node)
        await asyncio.sleep(6.5)
        arrived = engines.receivers.arrived["slow"]
        assert len({arrival.message for arrival in arrived}) == len(arrived) == 60
        assert most_within(engines.times("slow")) <= 10
        assert min(sum(arrival.node == node for arrival in arrived) for node in (0, 1)) >= 10

    play(story, nodes=2)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize(("before", "after"), [(2, 20), (20, 2)])
def test_a_rate_that_is_changed_counts_for_what_is_queued_already(before: int, after: int, nodes: int) -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=before)
        await engines.send(150)
        await asyncio.sleep(3)
        assert 2 * before <= len(engines.times("slow")) <= 3 * before + 1
        changed = engines.now()
        await engines.change("slow", throttle_rate=after)
        await asyncio.sleep(5.2)
        later = engines.times("slow", since=changed + 0.1)
        assert 2 * after <= len(later) <= 5.1 * after + 1  # turns taken by the old rate are lost: of each process, a second of them
        assert most_within(later) <= after

    play(story, nodes=nodes)


def test_a_rate_that_is_taken_away_holds_nothing_back() -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=2)
        await engines.send(100)
        await asyncio.sleep(2)
        await engines.change("slow", throttle_rate=None)
        await asyncio.sleep(1)
        assert len(engines.times("slow")) == 100

    play(story)


def test_an_applications_rate_that_is_changed_counts_soon() -> None:
    async def story(engines: Engines) -> None:
        await engines.application(throttle_rate=2)
        await engines.endpoint("one")
        await engines.send(100)
        await asyncio.sleep(2)
        await engines.change_application(throttle_rate=40)
        await asyncio.sleep(5)
        assert len(engines.times("one")) == 100
        assert most_within(engines.times("one")) <= 40

    play(story)


def test_who_is_slow_to_answer_does_not_get_all_at_once_what_it_missed() -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=10)
        engines.receivers.answers["slow"] = answering(200, seconds=3)
        await engines.send(100)
        await asyncio.sleep(60)
        assert len(engines.times("slow")) == 100
        assert most_within(engines.times("slow")) <= 10 / CATCHING_UP + 1

    play(story)


def test_a_rate_outlives_the_process() -> None:
    """What was sent in the last second counts for whoever begins."""

    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("slow", throttle_rate=2)
        await engines.send(20)
        for _ in range(6):
            await asyncio.sleep(0.7)
            await engines.stop()
            await engines.start()
        assert most_within(engines.times("slow")) <= 2

    play(story)
