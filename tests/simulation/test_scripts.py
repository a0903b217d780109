"""Endpoints with transformations, in virtual time."""

import asyncio

from hookwright.engine.bounds import Bounds
from hookwright.errors import Busy
from hookwright.runtime.engine import EngineOptions
from hookwright.sandbox import Draft, Returned, Script, Stopped
from hookwright.store.deliveries import ClaimDue, Release
from hookwright.store.transformations import ChangeTransformation
from tests.simulation.engines import Engines, play
from tests.simulation.loop import START


class Door:
    """A sandbox in which there is no place until it is open."""

    def __init__(self) -> None:
        self.open = False
        self.knocked = 0

    async def run(self, script: Script) -> Returned | Stopped:
        self.knocked += 1
        if not self.open:
            raise Busy("too many wait")
        return Returned('{"kind":"same"}')

    async def check(self, draft: Draft) -> Stopped | None:
        return None

    async def close(self) -> None:
        pass


def test_a_backlog_whose_scripts_find_no_place_does_not_go_round_between_memory_and_the_database() -> None:
    """Its attempts come again each second or two, no more of them than there are slots; then all of it arrives."""
    messages, seconds, slots = 300, 60, 8
    door = Door()

    async def story(engines: Engines) -> None:
        await engines.application()
        endpoint = await engines.endpoint("a")
        await engines.endpoint("b")
        change = ChangeTransformation(application="app_1", endpoint=endpoint.id, code="a script", enabled=True, now=START)
        await engines.nodes[0].services.changes.apply(change, application="app_1", endpoint=endpoint.id)
        await engines.send(messages)
        await asyncio.sleep(1)
        assert len(engines.times("b")) == messages
        written = engines.nodes[0].store.written
        before = written[Release] + written[ClaimDue]
        door.knocked = 0
        await asyncio.sleep(seconds)
        assert 0 < door.knocked <= slots * (seconds + 1)
        assert written[Release] + written[ClaimDue] - before <= 4 * slots * seconds
        door.open = True
        await asyncio.sleep(10)
        assert len(engines.times("a")) == messages

    play(story, sandbox=door, options=EngineOptions(grace=1.0, bounds=Bounds(per_endpoint=slots)))
