"""How many receivers are asked at a time: verifications must not crowd out deliveries, nor one organization's those of another."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hookwright.clock import SystemClock
from hookwright.domain.endpoints import Endpoint, EndpointRecord, Options
from hookwright.engine import handshakes
from hookwright.engine.access import Admission
from hookwright.engine.directory import Target
from hookwright.engine.handshakes import MOST, MOST_EACH, Handshakes, Outcome
from hookwright.engine.secrets import Secrets
from hookwright.errors import Conflict
from hookwright.sender import Failure, Request
from hookwright.vault import Vault


class Nobody:
    """Answers when it is told to, and then it is not there."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.gate = asyncio.Event()
        self.fault = Failure("refused", "the connection was refused")

    async def send(self, request: Request) -> Failure:
        self.asked.append(request)
        await self.gate.wait()
        return self.fault

    async def close(self) -> None:
        pass


def target(organization: str) -> Target:
    endpoint = Endpoint(
        id="ep_1", application="app_1", organization=organization, url="https://receiver.example/", created_at=1, updated_at=1,
        options=Options(verification="challenge"),
    )  # fmt: skip
    return Target(EndpointRecord(endpoint, ()), Secrets(Vault({"k1": bytes(32)}, "k1", bytes)))


def check(story: Callable[[Nobody, Handshakes], Awaitable[None]]) -> None:
    async def run() -> None:
        nobody, clock = Nobody(), SystemClock()
        await story(nobody, Handshakes(admission=Admission(nobody, clock), clock=clock, origin=None, style="standard"))

    asyncio.run(run())


async def begin(asking: Handshakes, organization: str, count: int) -> "list[asyncio.Task[Outcome]]":
    begun = [asyncio.create_task(asking.ask(target(organization))) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    return begun


def test_one_organization_has_a_few_at_a_time_and_others_have_theirs() -> None:
    async def story(nobody: Nobody, asking: Handshakes) -> None:
        under_way = await begin(asking, "org_a", MOST_EACH)
        with pytest.raises(Conflict):
            await asking.ask(target("org_a"))
        under_way += await begin(asking, "org_b", 1)
        nobody.gate.set()
        assert {outcome.detail for outcome in await asyncio.gather(*under_way)} == {"no answer came from the endpoint"}
        assert (await asking.ask(target("org_a"))).consent is None

    check(story)


def test_all_together_have_no_more_than_so_many_and_the_others_wait() -> None:
    async def story(nobody: Nobody, asking: Handshakes) -> None:
        under_way = [task for number in range(MOST) for task in await begin(asking, f"org_{number}", 2)]
        assert len(nobody.asked) == MOST
        nobody.gate.set()
        await asyncio.gather(*under_way)
        assert len(nobody.asked) == 2 * MOST

    check(story)


def test_who_waits_for_a_place_is_told_after_a_while_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four organizations whose receivers hang would keep all others waiting for as long as they go on."""
    monkeypatch.setattr(handshakes, "SECONDS", 0.01)

    async def story(nobody: Nobody, asking: Handshakes) -> None:
        under_way = [task for number in range(MOST) for task in await begin(asking, f"org_{number}", 1)]
        with pytest.raises(Conflict, match="ask again"):
            await asking.ask(target("org_a"))
        nobody.gate.set()
        await asyncio.gather(*under_way)
        assert (await asking.ask(target("org_a"))).consent is None  # it holds no place

    check(story)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Failure("blocked", "the very reason"), "no answer came from the endpoint"),
        (Failure("refused", "the very reason"), "no answer came from the endpoint"),
        (Failure("dns", "the very reason"), "no answer came from the endpoint"),
        (Failure("timeout", "the very reason"), "no answer came from the endpoint"),
        (Failure("connection", "the very reason"), "no answer came from the endpoint"),
        (Failure("tls", "the very reason"), "the very reason"),
        (Failure("protocol", "the very reason"), "the very reason"),
        (Failure("proxy", "the very reason", ours=True), "this server could not ask"),
    ],
)
def test_what_is_told_when_nobody_answered_maps_no_network(fault: Failure, told: str) -> None:
    async def story(nobody: Nobody, asking: Handshakes) -> None:
        nobody.fault = fault
        nobody.gate.set()
        assert (await asking.ask(target("org_a"))).detail.startswith(told)

    check(story)
