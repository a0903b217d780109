"""What is found out about an endpoint counts whatever happens at that moment: another process, a restart, a clock, a fault of ours."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hookwright.domain.health import Health, Phase
from hookwright.domain.retries import RetryPolicy
from hookwright.engine import healths
from hookwright.engine.executor import AttemptPolicy
from hookwright.engine.healths import HealthPolicy
from hookwright.runtime.engine import EngineOptions
from hookwright.sender import Failure, Request, Response
from hookwright.store.endpoints import FindEndpoint
from hookwright.store.health import FindHealth, SaveHealth, TakeTurns, Turn
from tests.simulation.engines import Engines, answering, most_within, play

MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def town(engines: Engines, *names: str) -> None:
    await engines.application()
    for name in names or ("sick",):
        await engines.endpoint(name)


async def kept(engines: Engines) -> Health:
    return await engines.store.read(FindHealth(endpoint="sick"))


async def another_keeps(engines: Engines, **fields: Any) -> None:
    """A process that is not among these changes what is kept; they have not heard of it yet."""
    health = msgspec.structs.replace(await kept(engines), **fields)
    await engines.store.write(SaveHealth(application="app_1", endpoint="sick", health=health, now=engines.clock.now()))


async def fail_until_it_is_left_alone(engines: Engines) -> None:
    engines.receivers.answers["sick"] = answering(503)
    await engines.send(5)
    await asyncio.sleep(1)
    assert (await kept(engines)).phase is Phase.OPEN


async def disabled_reason(engines: Engines) -> str | None:
    found = await engines.store.read(FindEndpoint(application="app_1", ref="sick"))
    assert found is not None
    return found.disabled_reason


# Other processes


def test_a_process_that_has_just_begun_sends_nothing_to_who_is_left_alone() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await engines.stop()
        await engines.start()  # no retry is due yet: nothing makes it load the endpoint
        began = engines.now()
        await engines.send(30)
        await asyncio.sleep(15)
        assert engines.times("sick", since=began) == []

    play(story)


def test_more_endpoints_than_are_remembered_are_left_alone_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healths, "MOST", 1)

    names = ("sick", "ill", "bad")

    async def story(engines: Engines) -> None:
        await town(engines, *names)
        engines.receivers.answers |= dict.fromkeys(names, answering(503, retry_after="600"))
        await engines.send()
        await asyncio.sleep(1)
        for _ in range(30):
            await engines.send(5)
            await asyncio.sleep(10)
        assert [len(engines.times(name)) for name in names] == [1, 1, 1]

    play(story)


def test_patience_is_kept_though_another_process_writes_first() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.send()
        await asyncio.sleep(1)  # it is known here, as one of which nothing is kept
        await another_keeps(engines, failing_since=engines.clock.now(), failures=3)
        engines.receivers.answers["sick"] = answering(429, retry_after="120")
        await engines.send()
        await asyncio.sleep(1)
        engines.receivers.answers.clear()
        await engines.send(20)
        await asyncio.sleep(100)
        assert len(engines.times("sick")) == 2
        health = await kept(engines)
        assert (health.not_before > engines.clock.now(), health.failures) == (True, 4)

    play(story)


def test_a_breaker_opens_though_another_process_writes_first() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.send()
        await asyncio.sleep(1)
        await another_keeps(engines, failing_since=engines.clock.now(), failures=3)
        await fail_until_it_is_left_alone(engines)
        assert len(engines.times("sick")) == 6

    play(story)


@pytest.mark.parametrize(("status", "phase"), [(503, Phase.OPEN), (200, Phase.HALF_OPEN)])
def test_what_the_one_attempt_came_to_counts_though_another_process_writes_first(status: int, phase: Phase) -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        engines.receivers.answers["sick"] = answering(status, seconds=10)
        while (await kept(engines)).phase is not Phase.HALF_OPEN:  # noqa: ASYNC110  # virtual time costs nothing
            await asyncio.sleep(0.5)
        await another_keeps(engines, failures=77)
        engines.receivers.answers["sick"] = answering(status, seconds=20)
        await asyncio.sleep(11)
        health = await kept(engines)
        assert (health.phase, health.trips, health.passed) == (phase, 2 if phase is Phase.OPEN else 1, int(phase is Phase.HALF_OPEN))

    play(story)


def test_an_endpoint_that_was_deleted_meanwhile_is_not_written_about_for_ever() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.send()
        await asyncio.sleep(1)
        await engines.delete("sick")
        engines.nodes[0].services.dispatcher.health_changed("app_1", "sick")
        before = engines.nodes[0].store.written[SaveHealth]
        await asyncio.sleep(MINUTE)
        assert engines.nodes[0].store.written[SaveHealth] - before <= 5

    async def late(_: Request) -> Response | Failure:
        await asyncio.sleep(10)
        return Response(429, b"", False, "100")

    async def with_an_answer_under_way(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = late
        await engines.send(6)
        await asyncio.sleep(1)
        await engines.delete("sick")
        before = engines.nodes[0].store.written[SaveHealth]
        await asyncio.sleep(MINUTE)
        assert engines.nodes[0].store.written[SaveHealth] - before <= 10

    play(story)
    play(with_an_answer_under_way)


# Stops


def test_the_right_to_the_one_attempt_is_given_back_at_a_stop() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        engines.receivers.answers["sick"] = answering(200, seconds=25)
        while (await kept(engines)).phase is not Phase.HALF_OPEN:  # noqa: ASYNC110  # virtual time costs nothing
            await asyncio.sleep(0.5)
        await engines.stop()
        assert (await kept(engines)).prober == 0
        began = engines.now()
        await engines.start()
        await asyncio.sleep(5)
        assert len(engines.times("sick", since=began)) == 1

    play(story)


def test_who_was_stopped_for_days_disables_nobody_for_that() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(503)
        for _ in range(3 * HOUR // MINUTE):
            await engines.send()
            await asyncio.sleep(MINUTE)
        assert (await kept(engines)).failures >= 10
        await engines.stop()
        await asyncio.sleep(6 * DAY)
        await engines.start()
        count = len(engines.times("sick"))
        await asyncio.sleep(HOUR / 2)
        assert len(engines.times("sick")) > count
        assert await disabled_reason(engines) is None
        await asyncio.sleep(2 * HOUR)
        assert await disabled_reason(engines) == "failing"

    play(story, options=EngineOptions(grace=1.0, health=HealthPolicy()))


# Faults of ours


def test_while_we_are_what_fails_who_is_left_alone_loses_no_attempts() -> None:
    async def ours(_: Request) -> Response | Failure:
        return Failure("dns", "no resolver", ours=True)

    async def story(engines: Engines) -> None:
        await town(engines)
        await fail_until_it_is_left_alone(engines)
        await engines.send(200)
        engines.receivers.answers["sick"] = ours
        began = engines.now()
        await asyncio.sleep(10 * MINUTE)
        assert 10 <= len(engines.times("sick", since=began)) <= 10 * MINUTE / 15
        engines.receivers.answers.clear()
        await asyncio.sleep(5 * MINUTE)
        assert len({arrival.message for arrival in engines.receivers.arrived["sick"]}) == 205

    play(story, options=EngineOptions(grace=1.0, policy=AttemptPolicy(retries=RetryPolicy(schedule=(5.0,) * 200))))


# Clocks


def test_times_that_a_clock_wrote_which_was_ahead_hold_nobody_up_for_long() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        ahead = engines.clock.now() + 30 * DAY * 1000
        for fields in (
            {"phase": Phase.OPEN, "until": ahead, "trips": 1},
            {"phase": Phase.CLOSED, "until": ahead, "ramp_from": ahead, "trips": 1},
            {"phase": Phase.HALF_OPEN, "until": ahead, "prober": 9, "probe_until": ahead, "ramp_from": 0},
        ):
            await another_keeps(engines, **fields)
            await engines.stop()
            await engines.start()
            began = engines.now()
            await engines.send(20)
            await asyncio.sleep(20 * MINUTE)
            assert len(engines.times("sick", since=began)) == 20, fields

    play(story)


def test_turns_that_a_clock_took_which_was_ahead_hold_nobody_up() -> None:
    async def story(engines: Engines) -> None:
        await engines.application()
        await engines.endpoint("sick", throttle_rate=10)
        ahead = (engines.clock.now() + 30 * DAY * 1000) * 1000
        await engines.store.write(TakeTurns(turns=(Turn("sick", 100_000),), count=1, now=ahead))
        await engines.send(20)
        await asyncio.sleep(2.5)
        assert len(engines.times("sick")) == 20
        assert most_within(engines.times("sick")) <= 10

    play(story)


# Coming back


def test_who_has_been_recovering_for_long_gets_more_for_a_backlog_that_grows_is_never_gone() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        await engines.change("sick", disabled_reason="manual")
        await engines.send(200)
        await engines.change("sick", disabled_reason=None)
        await asyncio.sleep(3.5)
        assert most_within(engines.times("sick")) <= 10
        await another_keeps(engines, ramp_from=engines.clock.now() - 71 * MINUTE * 1000)
        engines.nodes[0].services.dispatcher.health_changed("app_1", "sick")
        began = engines.now()
        await asyncio.sleep(6)
        assert len(engines.times("sick")) == 200
        assert 20 < most_within(engines.times("sick", since=began)) <= 40

    play(story, options=EngineOptions(grace=1.0, health=HealthPolicy(recovery_rate=10)))


def test_who_is_enabled_by_a_person_is_sent_to_whatever_it_asked_for_before() -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(503, retry_after="86400")
        await engines.send()
        await asyncio.sleep(1)
        engines.receivers.answers.clear()
        await engines.send(20)
        await asyncio.sleep(1)
        await engines.change("sick", disabled_reason="manual")
        await engines.change("sick", disabled_reason=None)
        await asyncio.sleep(2)
        assert len(engines.times("sick")) == 21

    play(story)


@pytest.mark.parametrize("retry_after", [None, "86400"])
def test_an_endpoint_that_gets_another_url_is_asked_at_once_how_that_is(retry_after: str | None) -> None:
    async def story(engines: Engines) -> None:
        await town(engines)
        engines.receivers.answers["sick"] = answering(503, retry_after=retry_after)
        for _ in range(25):
            await engines.send()
            await asyncio.sleep(1)
        assert len(engines.times("sick")) <= 6
        await engines.change("sick", url="http://receiver/mended")
        await asyncio.sleep(20)
        assert len(engines.times("mended")) >= 19
        assert (await kept(engines)).phase is Phase.CLOSED

    play(story, options=EngineOptions(grace=1.0, health=HealthPolicy(pause_ms=HOUR * 1000)))
