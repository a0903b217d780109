"""A rate that a receiver allowed in its handshake, as the engine keeps to it."""

import asyncio
from pathlib import Path

from hookwright.domain.endpoints import EndpointRecord, Options, SealedSecret
from hookwright.domain.verification import Consent
from hookwright.store.endpoints import CreateEndpoint
from hookwright.store.health import Turn
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import World
from tests.dispatchers import dispatcher_of
from tests.integration.engines import SECRET, Recorder, accept, engine
from tests.waiting import until

URL = "https://example.com/"


def test_less_than_one_message_a_second_is_kept_to(tmp_path: Path) -> None:
    async def story() -> tuple[Turn, ...]:
        recorder = Recorder()
        async with open_store(tmp_path / "store.db") as store, engine(store, recorder) as services:
            world = World(store)
            await world.application(uid="customer")
            consent = Consent(url=URL, asked="options", at=1, origin="hooks.example.com", rate=30)
            made = world.record(url=URL, throttle_rate=1, options=Options(verification="options", consent=consent)).endpoint
            secret = SealedSecret(services.secrets.seal_secret(made.id, SECRET), world.now)
            await store.write(CreateEndpoint(record=EndpointRecord(made, (secret,)), most=9))
            for body in (b"1", b"2"):
                await accept(services, body, world.app)
            assert await recorder.sent.get() == b"1"
            lanes = dispatcher_of(services)._lanes
            await until(lambda: made.id in lanes and lanes[made.id].pace is not None)
            pace = lanes[made.id].pace
            assert pace is not None
            return pace.turns

    (turn,) = asyncio.run(story())
    assert turn.every == 2_000_000
