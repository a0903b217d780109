"""Every beast of the zoo, and the sender: what comes of an attempt is what its cage says, and nothing is left of it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from hookwright.sender import Failure, Response
from tests.integration.receivers import OK, answering, receiving, request, sending
from tests.integration.sockets import FINE, Run, all_closed, pool_of, sockets
from tests.waiting import until
from tests.zoo import ZOO, Beast, Certificates, outcome, trusting

pytestmark = pytest.mark.long
DEADLINE = 0.4
"""Seconds; enough for those that answer, and all that is spent on those that never do."""
BODY = b"x" * 100_000
PATIENT = 20.0


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


def deadline_for(beast: Beast) -> float:
    """Those that end by themselves have as long as a busy machine needs."""
    return DEADLINE if "timeout" in beast.ends else PATIENT


def test_every_beast_has_a_name_of_its_own() -> None:
    assert len({beast.name for beast in ZOO}) == len(ZOO) >= 80


@pytest.mark.parametrize("beast", ZOO, ids=lambda beast: beast.name)
def test_an_attempt_ends_as_its_beast_says_and_leaves_nothing(run: Run, beast: Beast, certificates: Certificates) -> None:
    async def scenario() -> Response | Failure:
        before = sockets()
        async with beast.cage(certificates) as url, sending(tls=trusting(certificates.trusted)) as sender:
            result = await sender.send(request(url, body=BODY, deadline=deadline_for(beast)))
            pool = pool_of(sender)
            assert pool._in_use == 0
            await until(lambda: len(pool._kept) == len(pool._open))
        await all_closed(before)
        return result

    result = run(scenario())
    assert outcome(result) in beast.ends
    if isinstance(result, Failure):
        assert "\n" not in result.detail
    else:
        assert len(result.body) <= 16_384


def test_all_of_them_at_once_do_not_keep_one_that_behaves_from_its_answer(run: Run, certificates: Certificates) -> None:
    async def scenario() -> list[Response | Failure]:
        before = sockets()
        async with AsyncExitStack() as caged:
            urls = [await caged.enter_async_context(beast.cage(certificates)) for beast in ZOO]
            async with receiving(answering(OK)) as receiver, sending(tls=trusting(certificates.trusted)) as sender:
                sent = [asyncio.ensure_future(sender.send(request(url, body=BODY, deadline=PATIENT))) for url in urls]
                await asyncio.sleep(0)
                behaved = [await sender.send(request(receiver.url, deadline=PATIENT)) for _ in range(20)]
                for each in sent:
                    each.cancel()
                await asyncio.wait(sent)
                assert pool_of(sender)._in_use == 0
        await all_closed(before)
        return behaved

    assert run(scenario()) == [FINE] * 20
