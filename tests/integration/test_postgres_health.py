"""Several processes over one PostgreSQL share the rate of an endpoint, and what they know of one that is sick."""

import asyncio
from pathlib import Path

from aiohttp import web

from tests.harness import Received, Receiver
from tests.integration.postgres import asked
from tests.integration.test_workers import Producer, arrived, serving
from tests.waiting import PATIENCE, eventually

RATE, COUNT = 10, 40


def test_processes_share_the_rate_of_an_endpoint(tmp_path: Path, database: str) -> None:
    with Receiver() as receiver, serving(tmp_path, database) as server:
        producer = Producer(server)
        assert producer.post("/app", {"name": "a", "uid": "a"}).is_success
        assert producer.post("/app/a/endpoint", {"url": receiver.url, "throttleRate": RATE}).is_success
        sent = {producer.send(n) for n in range(COUNT)}
        eventually(lambda: arrived(receiver) >= sent, "not everything arrived")
        eventually(lambda: not asked(database, "select 1 from deliveries"), "not everything is settled")
        ((span,),) = asked(database, "select max(started_at) - min(started_at) from attempts")
        assert span >= 0.8 * 1000 * (COUNT - 1) / RATE, "each by itself they would have taken a third of that"
        assert len(receiver.requests) == COUNT


class Sick:
    """A receiver that takes its time to answer `status`; `under_way`: requests, `most` at once."""

    def __init__(self) -> None:
        self.status, self.under_way, self.most = 503, 0, 0

    async def answer(self, _: Received) -> web.StreamResponse:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.2)
        self.under_way -= 1
        return web.Response(status=self.status)


def test_a_sick_endpoint_is_asked_by_one_process_at_a_time_and_gets_everything_when_it_is_well(tmp_path: Path, database: str) -> None:
    def opened(times: int) -> bool:
        return any(trips >= times for (trips,) in asked(database, "select trips from endpoint_health"))

    sick = Sick()
    schedule = ",".join("1" * 20)
    serve = serving(tmp_path, database, HOOKWRIGHT_BREAKER_PAUSE="0.5", HOOKWRIGHT_RETRY_SCHEDULE=schedule)
    with Receiver(sick.answer) as receiver, serve as server:
        producer = Producer(server)
        producer.set_up(receiver)
        sent = {producer.send(n) for n in range(30)}
        eventually(lambda: opened(3), "its breaker does not open")  # by then every process has heard of it
        before, sick.most = len(receiver.requests), 0
        receiver.wait_for(before + 1, PATIENCE)
        eventually(lambda: opened(4) and sick.most and not sick.under_way, "it is not asked how it is")
        assert sick.most == 1
        sick.status = 200
        eventually(lambda: not asked(database, "select 1 from deliveries"), "not everything is delivered")
        assert arrived(receiver) == sent
        assert asked(database, "select distinct state from outcomes") == [(0,)]
