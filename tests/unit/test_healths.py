"""What may be sent to an endpoint that is asked how it is."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from hookwright.domain.health import Health, Phase
from hookwright.engine.healths import PROBE_SLACK_MS, HealthPolicy, Healths
from hookwright.store.health import SaveHealth

NODE, OTHER = 1, 2


class Kept:
    """A store that has only health, and the time."""

    def __init__(self) -> None:
        self.at = 1_750_000_000_000

    def now(self) -> int:
        return self.at

    async def write(self, command: SaveHealth) -> Health:
        return msgspec.structs.replace(command.health, version=command.health.version + 1)


def target(health: Health) -> Any:
    return SimpleNamespace(endpoint=SimpleNamespace(id="ep_1", application="app_1"), health=health)


def test_an_attempt_that_would_end_when_another_may_have_begun_is_not_made() -> None:
    async def story() -> list[bool]:
        kept = Kept()
        healths = Healths(
            store=cast(Any, kept), clock=kept, rand=lambda: 0.5, policy=HealthPolicy(), changed=lambda endpoint: None,
            disabled=lambda application, endpoint: None, forgot=lambda application: None,
        )  # fmt: skip
        sick = target(Health(version=1, phase=Phase.OPEN, until=kept.at, trips=1))
        healths.heed(sick)
        assert await healths.begin_probe("ep_1", NODE)
        assert not await healths.begin_probe("ep_1", NODE)
        assert not await healths.begin_probe("ep_1", OTHER)
        found = []
        for later in (0, PROBE_SLACK_MS, 1):  # a script, or a token, was waited for
            kept.at += later
            found.append(healths.may_send(sick, NODE, late=True, probe=True))
        found += [healths.may_send(sick, OTHER, late=True, probe=True), healths.may_send(sick, NODE, late=True, probe=False)]
        await healths.close()
        return found

    assert asyncio.run(story()) == [True, True, False, False, False]
