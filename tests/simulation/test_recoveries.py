"""Whatever receivers answer and people change, on one engine or two, everything arrives when all is well again, and soon."""

import asyncio
import logging
from collections.abc import Iterator
from random import Random

import pytest

from hookwright.domain.endpoints import Options
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.executor import AttemptPolicy
from hookwright.runtime.engine import EngineOptions
from hookwright.sender import Failure, Request, Response
from hookwright.store.deliveries import EndpointStats
from hookwright.store.endpoints import FindEndpoint
from tests.simulation.engines import Answer, Engines, answering, play
from tests.simulation.loop import START

ORDERED = "ordered"
NAMES = ("one", "two", "three", ORDERED)
STEPS = 60
OPTIONS = EngineOptions(policy=AttemptPolicy(retries=RetryPolicy(schedule=(5.0,) * 200), deadline=20.0), grace=1.0)
SOON = 20 * 60
"""Seconds: the longest time a breaker is open, and a slow start."""
MOST_WRITES = 60
"""A second, in the mean: whoever asks the store more often goes round in circles."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def hang(request: Request) -> Response | Failure:
    await asyncio.sleep(request.deadline)
    return Failure("timeout", "no answer in time")


async def refuse(_: Request) -> Response | Failure:
    return Failure("refused", "connection refused")


async def fail_by_our_fault(_: Request) -> Response | Failure:
    return Failure("dns", "no resolver", ours=True)


ANSWERS: tuple[Answer | None, ...] = (
    None, None, None, answering(200, seconds=3.0), answering(500), answering(503, seconds=0.5), answering(404), answering(410),
    answering(429, retry_after="30"), answering(503, retry_after="300"), hang, refuse, fail_by_our_fault,
)  # fmt: skip


async def do_anything(engines: Engines, rand: Random, nodes: int, sent: list[str]) -> None:
    name = rand.choice(NAMES)
    match rand.choices(("send", "answer", "rate", "application's rate", "disable", "enable", "restart"), (8, 4, 1, 1, 1, 1, 0.5))[0]:
        case "send":
            sent += await engines.send(rand.choice((1, 1, 5, 30)), node=rand.randrange(nodes))
        case "answer":
            answer = rand.choice(ANSWERS)
            engines.receivers.answers.pop(name, None)
            if answer is not None:
                engines.receivers.answers[name] = answer
        case "rate":
            await engines.change(name, throttle_rate=rand.choice((None, 1, 10, 100)))
        case "application's rate":
            await engines.change_application(throttle_rate=rand.choice((None, 5, 50)))
        case "disable":
            await engines.change(name, disabled_reason="manual")
        case "enable":
            await engines.change(name, disabled_reason=None)
        case _:
            await engines.stop()
            await engines.start()


async def waiting(engines: Engines) -> int:
    counts = 0
    for name in NAMES:
        query = EndpointStats(application="app_1", endpoint=name, since=START, until=engines.clock.now() + 1)
        stats = await engines.store.read(query)
        counts += stats.pending + stats.sending
        assert stats.fail == stats.canceled == 0
    return counts


def writes(engines: Engines) -> int:
    return sum(node.store.written.total() for node in engines.nodes)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_everything_arrives_when_all_is_well_again(seed: int, nodes: int) -> None:
    rand = Random(seed)

    async def story(engines: Engines) -> None:
        await engines.application()
        for name in NAMES:
            options = Options(ordered=name == ORDERED)
            await engines.endpoint(name, throttle_rate=rand.choice((None, None, 20)), options=options)
        sent: list[str] = []
        for _ in range(STEPS):
            await do_anything(engines, rand, nodes, sent)
            await asyncio.sleep(rand.choice((0.0, 0.1, 1.0, 10.0, 40.0)))
        await engines.change_application(throttle_rate=None)
        for name in NAMES:
            await engines.change(name, throttle_rate=None)
        engines.receivers.answers.clear()
        began, before = engines.now(), writes(engines)
        while await waiting(engines) and engines.now() - began < SOON:
            for name in NAMES:
                found = await engines.store.read(FindEndpoint(application="app_1", ref=name))
                if found is not None and found.disabled:  # by an answer of 410 that was under way
                    await engines.change(name, disabled_reason=None)
            await asyncio.sleep(5)
        assert await waiting(engines) == 0
        await asyncio.sleep(60)
        assert writes(engines) - before <= MOST_WRITES * (engines.now() - began)
        for name in NAMES:
            first = dict.fromkeys(arrival.message for arrival in engines.receivers.arrived[name])
            assert first.keys() == set(sent)
            assert list(first) == sent or name != ORDERED

    play(story, nodes=nodes, options=OPTIONS)
