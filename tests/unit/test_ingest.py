"""Ids and commits: messages are asked for in the order of their ids, and what came too late is asked for again."""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from hookwright import ids
from hookwright.domain.applications import Application
from hookwright.domain.deliveries import Delivery
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.messages import Content
from hookwright.engine.herald import Deliverer
from hookwright.engine.ingest import LATEST_MS, TRIES, Ingest, NewMessage
from hookwright.engine.pollers import SETTLING_MS
from hookwright.errors import Late
from hookwright.ids import Minter
from hookwright.store import Store
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.messages import Created, CreateExample, CreateMessage, CreateMessages

NOW = 1_800_000_000_000
APPLICATION = Application(id="app_a", organization="org_a", name="a", created_at=1, updated_at=1)
PLAIN = LoadedApplication(application=APPLICATION, endpoints=())
ENDPOINT = Endpoint(id="ep_a", application="app_a", organization="org_a", url="https://example.com/", created_at=1, updated_at=1)
SHORT, LONG = Content(b"{}"), Content(json.dumps({"list": [{"n": n} for n in range(4_000)]}).encode())


class Ledger:
    """A store that notes what it is asked to commit, in this order; by its clock the first times are too late."""

    def __init__(self, *, late: int = 0, at: int = NOW) -> None:
        self.asked: list[CreateMessage | CreateExample] = []
        self._late, self._at = late, at

    async def write(self, command: CreateMessage | CreateMessages | CreateExample, *, once: Any, on_commit: Callable[[Any], None]) -> Any:
        several = isinstance(command, CreateMessages)
        commands = command.messages if isinstance(command, CreateMessages) else (command,)
        self.asked += commands
        await asyncio.sleep(0)
        if self._late:
            self._late -= 1
            raise Late(self._at)
        results = tuple(Created(one.message, deliveries_of(one)) for one in commands)
        on_commit(results if several else results[0])
        return results if several else results[0]


def deliveries_of(command: CreateMessage | CreateExample) -> tuple[Delivery, ...]:
    return (command.delivery,) if isinstance(command, CreateExample) else command.deliveries


class Room:
    """A dispatcher of which it is known how much is reserved."""

    owner = 7

    def __init__(self) -> None:
        self.reserved = 0

    def reserve(self, endpoint: str, size: int) -> bool:
        self.reserved += 1
        return True

    def unreserve(self, count: int, size: int) -> None:
        self.reserved -= count

    def admit(self, job: object) -> None: ...

    def leave(self, endpoint: str, due_at: int) -> None: ...


class Standing:
    def now(self) -> int:
        return NOW


def ingest_of(ledger: Ledger, room: Room | None = None) -> Ingest:
    minter = Minter(random.Random(1).randbytes)
    return Ingest(store=cast(Store, ledger), dispatcher=cast(Deliverer, room or Room()), clock=Standing(), minter=minter)


def new(content: Content = SHORT) -> NewMessage:
    return NewMessage(event_type="a", content=content)


def test_messages_are_asked_for_in_the_order_of_their_ids_also_while_filters_are_looked_at() -> None:
    much_work = tuple(msgspec.structs.replace(ENDPOINT, id=f"ep_{n}", options=Options(filter={"list": {"n": -1}})) for n in range(5))
    filtered = LoadedApplication(application=APPLICATION, endpoints=much_work, filtered=True)

    async def story() -> None:
        ledger = Ledger()
        ingest = ingest_of(ledger)
        await asyncio.gather(
            ingest.accept_some(filtered, [new(LONG), new()]),
            ingest.accept(PLAIN, new()),
            ingest.accept(filtered, new(LONG)),
            ingest.accept(PLAIN, new()),
        )
        asked = [one.message.id for one in ledger.asked]
        assert len(asked) == 5
        assert asked == sorted(asked)

    asyncio.run(story())


@pytest.mark.parametrize("behind", [0, 7_000, 3_600_000])
@pytest.mark.parametrize("what", ["message", "messages", "example"])
def test_what_came_too_late_is_asked_for_again_with_an_id_of_the_time_that_the_store_told(behind: int, what: str) -> None:
    async def story() -> None:
        ledger, room = Ledger(late=1, at=NOW + behind), Room()
        ingest = ingest_of(ledger, room)
        loaded = LoadedApplication(application=APPLICATION, endpoints=(ENDPOINT,))
        if what == "messages":
            made = await ingest.accept_some(loaded, [new(), new()])
            assert isinstance(made, tuple)
            results = [one for one in made if isinstance(one, Created)]
        else:
            result = await (ingest.accept(loaded, new()) if what == "message" else ingest.send_to(loaded, ENDPOINT, new()))
            assert isinstance(result, Created)
            results = [result]
        assert [one.message for one in results] == [one.message for one in ledger.asked[len(results) :]]
        for one in results:
            assert NOW + behind - 4 < one.message.created_at < NOW + behind + 100
            assert ids.created_at(one.message.id) == one.message.created_at
            assert [each.key.message for each in one.deliveries] == [one.message.id]
        assert len({one.message.id for one in ledger.asked}) == 2 * len(results), "an id is asked for once"
        assert room.reserved == 0

    asyncio.run(story())


def test_who_is_always_too_late_is_refused_in_the_end() -> None:
    async def story() -> None:
        ledger, room = Ledger(late=99), Room()
        for ask in (ingest_of(ledger, room).accept(PLAIN, new()), ingest_of(ledger, room).accept_some(PLAIN, [new()])):
            with pytest.raises(Late):
                await ask
        assert len(ledger.asked) == 2 * TRIES
        assert room.reserved == 0

    asyncio.run(story())


def test_a_message_is_late_long_before_readers_may_be_past_it() -> None:
    async def story() -> None:
        ledger = Ledger()
        await ingest_of(ledger).accept(PLAIN, new())
        (asked,) = ledger.asked
        assert asked.latest == asked.message.created_at + LATEST_MS

    asyncio.run(story())
    assert 0 < LATEST_MS <= SETTLING_MS / 2


@pytest.mark.parametrize(("behind", "lines"), [(500, 0), (7_000, 1)])
def test_a_clock_that_is_behind_is_told_of_once(behind: int, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        ingest = ingest_of(Ledger(late=2, at=NOW + behind))
        for _ in range(2):
            await ingest.accept(PLAIN, new())

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert [one.getMessage() for one in caplog.records].count(
        f"the clock of this machine is {behind} ms behind that of the database: messages have its time"
    ) == lines  # fmt: skip
