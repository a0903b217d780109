"""Endpoints that fail are left alone, asked how they are by one attempt at a time, and brought back gently."""

import asyncio
import logging
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest

from hookwright.domain.health import Health, Phase
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.healths import HealthPolicy
from hookwright.runtime.engine import EngineOptions
from hookwright.sender import Failure, Request, Response
from hookwright.store.deliveries import EndpointStats
from hookwright.store.endpoints import FindEndpoint
from hookwright.store.health import FindHealth, SaveHealth
from tests.property.breaker import PAUSES
from tests.simulation.engines import OK, Engines, answering, most_within, play
from tests.simulation.loop import START

MINUTE, HOUR = 60, 3600
SLACK = 1.0
"""Seconds that a claim, a commit and an answer may take together."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


THREE_HOURS = EngineOptions(grace=1.0, health=HealthPolicy(disable_after_ms=3 * HOUR * 1000))


async def town(engines: Engines) -> None:
    """An application with an endpoint that is sick or slow as told, and one that is well."""
    await engines.application()
    await engines.endpoint("sick")
    await engines.application("app_2")
    await engines.endpoint("well", "app_2")


async def fail_until_it_is_left_alone(engines: Engines) -> None:
    engines.receivers.answers["sick"] = answering(503)
    await engines.send(5)
    await asyncio.sleep(1)
    assert (await engines.store.read(FindHealth(endpoint="sick"))).phase is Phase.OPEN
    assert len(engines.times("sick")) == 5


async def reached(engines: Engines, phase: Phase) -> Health:
    while (health := await engines.store.read(FindHealth(endpoint="sick"))).phase is not phase:  # noqa: ASYNC110  # virtual time costs nothing
        await asyncio.sleep(0.5)
    return health


async def delivered(engines: Engines, endpoint: str) -> tuple[int, int]:
    """Messages that succeeded, and those that failed for good."""
    query = EndpointStats(application="app_1", endpoint=endpoint, since=START, until=engines.clock.now() + 1)
    stats = await engines.store.read(query)
    return stats.success, stats.fail


async def disabled_reason(engines: Engines, name: str) -> str | None:
    found = await engines.store.read(FindEndpoint(application="app_1", ref=name))
    assert found is not None
    return found.disabled_reason


# While it is sick


def test_in_an_hour_of_503_an_endpoint_gets_what_its_breaker_allows_and_afterwards_everything() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(503, seconds=0.2)
        sent: list[str] = []
        others: dict[str, float] = {}
        for _ in range(HOUR):
            sent += await engines.send()
            others[(await engines.send(1, "app_2"))[0]] = engines.now()
            await asyncio.sleep(1)
        requests = engines.times("sick")
        later = [at for at in requests if at > MINUTE]
        assert len(requests) - len(later) <= 10
        assert 5 <= len(later) <= 7, later
        between = [second - first for first, second in pairwise(later)]
        first_pause = next(place for place, pause in enumerate(PAUSES) if between[0] < 1.15 * pause / 1000)
        for number, seconds in enumerate(between):
            pause = PAUSES[min(first_pause + number, len(PAUSES) - 1)] / 1000
            assert 0.9 * pause <= seconds <= 1.1 * pause + 2 * SLACK
        assert len(engines.times("well")) == HOUR
        assert all(arrival.at - others[arrival.message] < 0.1 for arrival in engines.receivers.arrived["well"])

        del engines.receivers.answers["sick"]
        healed = engines.now()
        await asyncio.sleep(1.1 * PAUSES[-1] / 1000 + HOUR / 50 + 30)
        arrived = engines.times("sick", since=healed)
        assert await delivered(engines, "sick") == (HOUR, 0)
        assert {arrival.message for arrival in engines.receivers.arrived["sick"]} == set(sent)
        assert len(arrived) == HOUR, "each of them once"
        assert most_within(arrived) <= 50
        for second in range(6):  # after three that were asked how it is
            assert sum(at < arrived[3] + second + 1 - 0.01 for at in arrived[3:]) <= 2 ** (second + 1) - 1

    play(story)


def test_while_it_is_left_alone_no_attempt_is_spent() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await engines.send(20)
        await asyncio.sleep(20)
        assert len(engines.times("sick")) == 5
        engines.receivers.answers.clear()
        await asyncio.sleep(10 * MINUTE)
        assert await delivered(engines, "sick") == (25, 0)
        assert len(engines.times("sick")) == 30, "five twice, twenty once"

    play(story)


@pytest.mark.parametrize("nodes", [1, 2])
def test_one_attempt_at_a_time_asks_how_it_is_whoever_makes_it(nodes: int) -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        for node in range(nodes):
            await engines.send(20, node=node)
        engines.receivers.most.clear()
        engines.receivers.answers["sick"] = answering(503, seconds=10)
        await asyncio.sleep(5 * MINUTE)
        asked = engines.times("sick")[5:]
        assert engines.receivers.most["sick"] == 1
        assert 2 <= len(asked) <= 3
        engines.receivers.answers["sick"] = answering(200, seconds=10)
        before = len(engines.times("sick"))
        while (await engines.store.read(FindHealth(endpoint="sick"))).phase is not Phase.CLOSED:
            await asyncio.sleep(1)
            assert engines.receivers.most["sick"] == 1
        assert len(engines.times("sick")) - before <= 3 + 1

    play(story, nodes=nodes)


def test_what_another_process_found_is_heeded() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.send(3, node=1)  # it knows the endpoint, as one that is well
        await asyncio.sleep(1)
        engines.receivers.answers["sick"] = answering(503)
        await engines.send(5)
        await asyncio.sleep(1)
        began = engines.now()
        await engines.send(20, node=1)
        await asyncio.sleep(15)
        assert engines.times("sick", since=began) == []

    play(story, nodes=2)


def test_a_breaker_outlives_the_process() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await asyncio.sleep(7)  # now their retries are due
        await engines.stop()
        await engines.start()
        await asyncio.sleep(1)
        began = engines.now()
        await engines.send(10)
        await asyncio.sleep(15)
        assert engines.times("sick", since=began) == []
        engines.receivers.answers.clear()
        await asyncio.sleep(10 * MINUTE)
        assert await delivered(engines, "sick") == (15, 0)

    play(story)


def test_what_was_loaded_of_an_endpoint_while_it_was_sick_counts_no_more_when_it_is_well() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await asyncio.sleep(7)
        await engines.stop()
        await engines.start()  # it loads the endpoint now, with its open breaker
        engines.receivers.answers.clear()
        for _ in range(20):
            await engines.send()
            await asyncio.sleep(MINUTE)
        assert await delivered(engines, "sick") == (25, 0)
        before = engines.nodes[0].store.written[SaveHealth]
        engines.receivers.answers["sick"] = answering(500)
        await engines.send()
        await asyncio.sleep(1)
        engines.receivers.answers.clear()
        await asyncio.sleep(10)
        assert await delivered(engines, "sick") == (26, 0)
        assert engines.nodes[0].store.written[SaveHealth] - before <= 3

    play(story)


@pytest.mark.parametrize("nodes", [1, 2])
def test_an_endpoint_for_which_there_is_nothing_to_send_is_not_asked_about_again_and_again(nodes: int) -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        before = written(engines)
        await asyncio.sleep(3 * HOUR)
        assert written(engines) - before <= 100

    def written(engines: Engines) -> int:
        return sum(node.store.written[SaveHealth] for node in engines.nodes)

    policy = AttemptPolicy(retries=RetryPolicy(schedule=(float(HOUR),)))
    play(story, nodes=nodes, options=EngineOptions(policy=policy, grace=1.0))


def test_failures_that_are_our_own_say_nothing_about_an_endpoint() -> None:
    async def ours(_: Request) -> Response | Failure:
        return Failure("dns", "no resolver", ours=True)

    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = ours
        await engines.send(40)
        await asyncio.sleep(2)
        assert len(engines.times("sick")) == 40
        assert (await engines.store.read(FindHealth(endpoint="sick"))).plain

    play(story)


def test_answers_that_are_about_the_message_do_not_stop_the_others() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(422)
        await engines.send(40)
        await asyncio.sleep(2)
        assert len(engines.times("sick")) == 40

    play(story)


# Patience


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_holds_everything_for_the_endpoint_and_nothing_for_others(status: int) -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(status, retry_after="120")
        await engines.send()
        await asyncio.sleep(1)
        engines.receivers.answers.clear()
        await engines.send(20)
        await engines.send(20, "app_2")
        await asyncio.sleep(118)
        assert (len(engines.times("sick")), len(engines.times("well"))) == (1, 20)
        await asyncio.sleep(5)
        assert len(engines.times("sick")) >= 20
        await asyncio.sleep(10 * MINUTE)
        assert await delivered(engines, "sick") == (21, 0)

    play(story)


# The clock


def test_an_endpoint_that_succeeded_in_nothing_for_long_is_disabled_and_asked_first_when_it_is_enabled() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(503)
        began = engines.now()
        while await disabled_reason(engines, "sick") is None:
            await engines.send()
            await asyncio.sleep(10)
            assert engines.now() - began < 6 * HOUR
        assert await disabled_reason(engines, "sick") == "failing"
        assert 3 * HOUR <= engines.now() - began <= 4 * HOUR
        count = len(engines.times("sick"))
        await engines.send(30)
        await asyncio.sleep(2 * HOUR)
        assert len(engines.times("sick")) == count

        engines.receivers.answers["sick"] = answering(200, seconds=5)
        engines.receivers.most.clear()
        await engines.change("sick", disabled_reason=None)
        await asyncio.sleep(14)
        assert len(engines.times("sick")) == count + 3
        assert engines.receivers.most["sick"] == 1

    play(story, options=THREE_HOURS)


def test_one_success_begins_the_clock_anew() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        failing = answering(503)

        async def seldom(request: Request) -> Response | Failure:
            return OK if engines.now() % HOUR < 20 * MINUTE else await failing(request)

        engines.receivers.answers["sick"] = seldom
        for _ in range(8 * 12):
            await engines.send()
            await asyncio.sleep(5 * MINUTE)
        assert await disabled_reason(engines, "sick") is None

    play(story, options=THREE_HOURS)


# Coming back


@pytest.mark.parametrize("nodes", [1, 2])
def test_what_was_held_for_a_disabled_endpoint_is_sent_at_the_rate_of_recovery(nodes: int) -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.change("sick", disabled_reason="manual")
        sent = await engines.send(200)
        await asyncio.sleep(5)
        assert engines.times("sick") == []
        await engines.change("sick", disabled_reason=None)
        await asyncio.sleep(4.5)
        arrived = [arrival.message for arrival in engines.receivers.arrived["sick"]]
        assert sorted(arrived) == sorted(sent)
        assert arrived == sent or nodes > 1, "in the order in which they came"
        assert most_within(engines.times("sick")) <= 50
        await asyncio.sleep(1)
        began = engines.now()
        await engines.send(100)
        await asyncio.sleep(0.5)
        assert len(engines.times("sick", since=began)) == 100, "who has caught up gets what comes"

    play(story, nodes=nodes)


def test_messages_that_come_while_it_recovers_do_not_pass_its_rate() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.change("sick", disabled_reason="manual")
        await engines.send(100)
        await engines.change("sick", disabled_reason=None)
        for _ in range(100):
            await engines.send()
            await asyncio.sleep(0.025)
        await asyncio.sleep(10)
        assert len(engines.times("sick")) == 200
        assert most_within(engines.times("sick")) <= 50

    play(story)


def test_an_endpoint_with_a_rate_of_its_own_recovers_no_quicker_than_that() -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("sick", throttle_rate=5)
        await engines.change("sick", disabled_reason="manual")
        await engines.send(30)
        await engines.change("sick", disabled_reason=None)
        await asyncio.sleep(6.5)
        assert len(engines.times("sick")) == 30
        assert most_within(engines.times("sick")) <= 5

    play(story)


def test_who_comes_back_gets_one_then_two_then_four() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await engines.send(200)
        engines.receivers.answers.clear()
        await asyncio.sleep(60)
        arrived = engines.times("sick")[5:]
        assert len(arrived) == 205
        closed = arrived[2]
        for second, most in enumerate((1, 3, 7, 15, 31)):
            assert sum(closed < at < closed + second + 0.99 for at in arrived) <= most
        assert most_within(arrived) <= 50

    play(story)


def test_who_fails_again_while_it_comes_back_is_left_alone_for_longer() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await engines.send(200)
        engines.receivers.answers.clear()
        await reached(engines, Phase.CLOSED)
        engines.receivers.answers["sick"] = answering(503)
        assert (await reached(engines, Phase.OPEN)).trips == 2
        began = engines.now()
        await asyncio.sleep(50)
        assert engines.times("sick", since=began + 0.5) == []

    play(story)


def test_after_a_while_of_health_nothing_is_kept_any_more() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        engines.receivers.answers.clear()
        for _ in range(30):
            await engines.send()
            await asyncio.sleep(MINUTE)
        health = await engines.store.read(FindHealth(endpoint="sick"))
        assert msgspec.structs.replace(health, version=0).plain

    play(story)
