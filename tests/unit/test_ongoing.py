"""The loops of a process go on whatever they meet, and say of an outage that it began and that it is over."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import Fence, Key, State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.health import Health
from hookwright.engine.bounds import Bounds
from hookwright.engine.cancels import Cancels
from hookwright.engine.dispatcher import Dispatcher
from hookwright.engine.healths import HealthPolicy
from hookwright.engine.janitor import Janitor
from hookwright.engine.news import Follower
from hookwright.engine.ongoing import Ongoing
from hookwright.engine.rest import SECONDS as REST_SECONDS
from hookwright.engine.settler import Settler
from hookwright.engine.wakeups import Listener, Wakeups
from hookwright.errors import StoreUnavailable
from hookwright.store.deliveries import CancelDeliveries, ClaimDue, ClaimedRows, Forget, Settle, Settlement
from hookwright.store.news import News
from hookwright.store.retention import Erase, Maintain
from hookwright.store.wakeups import Heard
from tests.simulation.loop import VirtualClock, VirtualLoop


class Database:
    """It does everything, and finds nothing; or fails with `error`."""

    def __init__(self) -> None:
        self.error: Exception | None = StoreUnavailable("no database")
        self.asked: list[Any] = []

    async def read(self, query: Any) -> list[Any]:
        return cast(list[Any], await self.write(query))

    async def write(self, command: Any, *, on_commit: Callable[[Any], None] = lambda _: None) -> Any:
        self.asked.append(command)
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        match command:
            case ClaimDue():
                answer: Any = ClaimedRows((), None)
            case Settle():
                answer = [True] * len(command.settlements)
            case CancelDeliveries() | Erase() | Forget() | Maintain():
                answer = 0
            case _:
                answer = []
        on_commit(answer)
        return answer

    async def heard(self) -> Heard:
        await self.write("heard")
        return Heard(frozenset({"ep_heard"}))

    async def target(self, endpoint: str) -> Any:
        made = Endpoint(id=endpoint, application="app", organization="org", url="http://a.example/", created_at=0, updated_at=0)
        return SimpleNamespace(endpoint=made, health=Health(), application_rate=None)

    async def look(self, after: str, late_ms: int = 0) -> None:
        await self.write("look")

    async def carry_on(self) -> bool:
        await self.write("carry on")
        return False

    def __getattr__(self, name: str) -> Any:
        """What a test does not look at."""
        return lambda *_: None


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    with closing(VirtualLoop()) as loop:
        yield loop


@pytest.fixture
def database() -> Any:
    return Database()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the program says; what another test left to the garbage collector is not its concern."""
    ours = [record for record in caplog.records if record.name.startswith("hookwright")]
    return [record.message for record in ours if record.levelno >= logging.WARNING]


def outage(loop: VirtualLoop, database: Database, works: Callable[[], Coroutine[Any, Any, Any]], *errors: Exception) -> None:
    """A minute of each error, and a minute without."""

    async def story() -> None:
        running = asyncio.ensure_future(works())
        for error in (*errors, None):
            database.error = error
            await asyncio.sleep(60)
        assert not running.done(), running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop.run_until_complete(story())


async def speak(database: Any) -> None:
    wakeups = Wakeups(database)

    async def tell() -> None:
        while True:
            wakeups.tell("ep_1")
            await asyncio.sleep(0.5)

    await asyncio.gather(wakeups.speak(), tell())


def listener(database: Any) -> Listener:
    return Listener(database, wake=lambda endpoint, due_at: None, look=database.look, news=lambda: None)


def janitor(database: Any) -> Janitor:
    others: Any = SimpleNamespace(carry_on=database.carry_on, look_on=database.look)
    return Janitor(store=database, dispatcher=others, replays=others, clock=SystemClock(), called=asyncio.Event(), keep_ms=None)


def canceling(database: Any) -> Cancels:
    listeners: list[Callable[[News], None]] = []
    changes: Any = SimpleNamespace(cancel_held=lambda *_: database.carry_on())
    news: Any = SimpleNamespace(subscribe=listeners.append)
    made = Cancels(changes=changes, clock=SystemClock(), news=news)
    listeners[0](News(1, "cancel", "app_1", "msg_1"))
    return made


LOOPS: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {
    "reading what other processes change": lambda database: Follower(store=database, directory=database, dispatcher=database).run(),
    "telling other processes what is due": speak,
    "hearing what other processes say": lambda database: listener(database).listen(),
    "looking for due deliveries": lambda database: listener(database).look_around(),
    "tidying": lambda database: janitor(database).run(),
    "canceling what other processes are asked to cancel": lambda database: canceling(database).run(),
}


@pytest.mark.parametrize("what", LOOPS)
def test_an_outage_is_two_lines_however_long_it_lasts(
    loop: VirtualLoop, database: Database, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    outage(loop, database, lambda: LOOPS[what](database), StoreUnavailable("no database"))
    assert lines(caplog) == [f"{what} fails and is tried again: no database", f"{what} succeeds again"]


@pytest.mark.parametrize("what", LOOPS)
def test_an_error_that_nobody_foresaw_ends_no_loop(
    loop: VirtualLoop, database: Database, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    outage(loop, database, lambda: LOOPS[what](database), RuntimeError("XX000"), StoreUnavailable("no database"), RuntimeError("XX000"))
    assert lines(caplog) == [
        f"{what} failed and is tried again",
        f"{what} fails and is tried again: no database",
        f"{what} succeeds again",
    ]
    assert caplog.records[0].exc_info is not None


def test_what_attempts_came_to_is_written_after_an_outage_of_two_lines(
    loop: VirtualLoop, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[Settlement] = []

    async def story() -> None:
        settler = Settler(
            cast(Any, database), on_settled=written.append, on_given=lambda *_: None, on_refused=written.append,
            on_unwritable=written.append,
        )  # fmt: skip
        key = Key("msg", "ep", 0)
        settler.settle(Settlement(key=key, fence=Fence(1, 0), attempt=None, state=State.SUCCESS, created_at=0, now=0))
        await asyncio.sleep(60)
        assert settler.waiting == 1
        database.error = None
        await settler.drain()

    loop.run_until_complete(story())
    assert len(written) == 1
    what = "writing down what attempts came to"
    assert lines(caplog) == [f"{what} fails and is tried again: no database", f"{what} succeeds again"]


def test_while_the_store_is_away_a_few_lanes_ask_it_and_all_are_fed_when_it_is_back(
    loop: VirtualLoop, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints, bounds = {f"ep_{n}" for n in range(500)}, Bounds()

    async def story() -> None:
        dispatcher = Dispatcher(
            store=cast(Any, database),
            directory=cast(Any, database),
            executor=cast(Any, None),
            clock=VirtualClock(loop),
            rand=lambda: 0.5,
            owner=1,
            bounds=bounds,
            health=HealthPolicy(),
        )
        for endpoint in endpoints:
            dispatcher.wake(endpoint, 0)
        await asyncio.sleep(60)
        assert 30 <= len(database.asked) <= bounds.claims_at_once * (60 / REST_SECONDS + 1)
        database.error = None
        database.asked.clear()
        await asyncio.sleep(10)
        assert {command.endpoint for command in database.asked} == endpoints
        await dispatcher.stop(0)

    loop.run_until_complete(story())
    assert lines(caplog) == ["preparing deliveries fails and is tried again: no database", "preparing deliveries succeeds again"]


def test_what_is_to_end_ends() -> None:
    async def story() -> None:
        async with Ongoing("resting"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())
