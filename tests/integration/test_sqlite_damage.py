"""Rows that cannot be read, in a real file: each costs itself alone, and nothing is lost by it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from hookwright.clock import SystemClock
from hookwright.domain.deliveries import Key, State
from hookwright.domain.endpoints import Endpoint, Options
from hookwright.domain.messages import fan_out
from hookwright.domain.tasks import Kind, TaskState
from hookwright.errors import Unreadable
from hookwright.store.deliveries import SET_ASIDE_MS, CancelDeliveries, ClaimDue, ClaimedRows
from hookwright.store.endpoints import DeleteEndpoint, LoadApplication, LoadEndpoint
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import ORG, OWNER, World
from tests.conformance.tasks import begin, ended, finish, found
from tests.dispatchers import dispatcher_of
from tests.integration.engines import Recorder, accept, endpoint_of, engine

NO_TEXT = "cast(x'ff' as text)"
DAMAGED_DELIVERIES = {
    "trigger: 9 is not": "update deliveries set trigger = 9 where message = :message",
    "channels: JSON is malformed": "update messages set channels = '[c]' where id = :message",
    "channels: Expected `array`": "update messages set channels = '{}' where id = :message",
    "event_type: 'utf-8'": f"update messages set event_type = {NO_TEXT} where id = :message",
    "event_id: 'utf-8'": f"update messages set event_id = {NO_TEXT} where id = :message",
    "content_type: 'utf-8'": f"update contents set content_type = {NO_TEXT} where message = :message",
    "its message is not there": "delete from messages where id = :message",
}
"""By what is said of it."""
DAMAGED_ENDPOINTS = {
    "event_types: JSON is malformed": "update endpoints set event_types = '[c]' where id = :endpoint",
    "channels: Expected `array`": "update endpoints set channels = '\"c\"' where id = :endpoint",
    "metadata: Expected `object`": "update endpoints set metadata = '7' where id = :endpoint",
    "'utf-8' codec": f"update endpoints set url = {NO_TEXT} where id = :endpoint",
}


class Damage:
    """Beside the store, as whoever broke the file would; and beside its loop, which may be in the middle of a transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, sql: str, **values: str) -> None:
        await asyncio.to_thread(self._carry_out, sql, values)

    def _carry_out(self, sql: str, values: dict[str, str]) -> None:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_timeout(5000)
        connection.execute(sql, values)
        assert connection.changes()
        connection.close()


def check(folder: Path, story: Callable[[World, Damage], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_store(folder / "store.db") as store:
            world = World(store)
            await world.application()
            await story(world, Damage(folder / "store.db"))

    asyncio.run(run())


async def claim(world: World, endpoint: Endpoint, *, ordered: bool = False) -> ClaimedRows:
    return await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=world.now, limit=10, most_bytes=2**20, ordered=ordered))


@pytest.mark.parametrize("problem", DAMAGED_DELIVERIES)
def test_a_delivery_that_cannot_be_read_is_set_aside_and_the_others_are_claimed(tmp_path: Path, problem: str) -> None:
    async def story(world: World, damage: Damage) -> None:
        endpoint = await world.endpoint()
        first, bad, last = [await world.message(endpoint, channels=("c",), event_id=str(number)) for number in range(3)]
        await damage(DAMAGED_DELIVERIES[problem], message=bad.id)
        rows = await claim(world, endpoint)
        assert [one.message for one in rows.claimed] == [first, last]
        (aside,) = rows.set_aside
        assert aside.key == Key(endpoint.id, bad.id)
        assert problem in aside.problem
        assert rows.next_due_at == world.now + SET_ASIDE_MS

    check(tmp_path, story)


def test_what_was_set_aside_stays_live_does_not_come_back_at_once_and_is_claimed_when_it_is_mended(tmp_path: Path) -> None:
    async def story(world: World, damage: Damage) -> None:
        endpoint = await world.endpoint()
        bad = await world.message(endpoint, channels=("c",))
        await damage("update messages set channels = '[' where id = :message", message=bad.id)
        assert len((await claim(world, endpoint)).set_aside) == 1
        assert await world.under_way() == 1
        assert await claim(world, endpoint) == ClaimedRows((), world.now + SET_ASIDE_MS)
        world.now += SET_ASIDE_MS
        assert len((await claim(world, endpoint)).set_aside) == 1
        await damage("update messages set channels = '[\"c\"]' where id = :message", message=bad.id)
        world.now += SET_ASIDE_MS
        assert [one.message for one in (await claim(world, endpoint)).claimed] == [bad]

    check(tmp_path, story)


def test_an_ended_round_that_cannot_be_read_keeps_no_other_from_ending(tmp_path: Path) -> None:
    async def story(world: World, damage: Damage) -> None:
        endpoint = await world.endpoint()
        bad, good = await world.message(endpoint), await world.message(endpoint)
        await world.attempt(bad, endpoint, State.FAIL)
        await damage("update outcomes set state = 9 where message = :message", message=bad.id)
        await world.resend(bad, endpoint)
        await world.resend(good, endpoint)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        assert await world.store.write(CancelDeliveries(now=world.now, limit=10)) == 3

    check(tmp_path, story)


@pytest.mark.parametrize("problem", DAMAGED_ENDPOINTS)
def test_an_endpoint_that_cannot_be_read_is_held_and_its_application_goes_on(
    tmp_path: Path, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World, damage: Damage) -> None:
        picky = {"event_types": frozenset({"other"}), "channels": frozenset({"c"})}
        good, bad, other = await world.endpoint(), await world.endpoint(**picky), await world.endpoint(**picky)
        await damage(DAMAGED_ENDPOINTS[problem], endpoint=bad.id)
        loaded = await world.store.read(LoadApplication(organization=ORG, ref=world.app))
        assert loaded is not None
        assert [one.id for one in loaded.endpoints] == [good.id, bad.id, other.id]
        assert [loaded.endpoints[0], loaded.endpoints[2]] == [good, other]
        wanting = fan_out("a.b", None, loaded.endpoints)
        assert [(one.id, one.disabled) for one in wanting] == [(good.id, False), (bad.id, True)]
        (line,) = [record.getMessage() for record in caplog.records]
        assert bad.id in line
        assert problem in line
        with pytest.raises(Unreadable):
            await world.store.read(LoadEndpoint(id=bad.id))

    check(tmp_path, story)


# With the engine


def test_an_endpoint_with_a_damaged_delivery_gets_its_others_and_the_damage_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    async def run() -> None:
        recorder = Recorder()
        async with open_store(tmp_path / "store.db") as store:
            world = World(store)
            world.now = SystemClock().now()
            await world.application()
            async with engine(store, recorder) as services:
                endpoint = await endpoint_of(world, services)
            bodies = [b"0", b"1", b"2"]
            _, bad, _ = [await world.message(endpoint, body=body, channels=("c",)) for body in bodies]
            await Damage(tmp_path / "store.db")("update messages set channels = '[' where id = :message", message=bad.id)
            async with engine(store, recorder) as services:
                assert {await recorder.sent.get(), await recorder.sent.get()} == {b"0", b"2"}
                await dispatcher_of(services).look_again()
                await accept(services, b"3", world.app)
                assert await recorder.sent.get() == b"3"
            assert recorder.sent.empty()
            (line,) = [record.getMessage() for record in caplog.records]
            assert str(Key(endpoint.id, bad.id)) in line

    asyncio.run(run())


def test_what_is_held_for_a_damaged_endpoint_is_sent_once_it_is_mended_and_nobody_else_waits(tmp_path: Path) -> None:
    async def run() -> None:
        recorder, damage = Recorder(), Damage(tmp_path / "store.db")
        async with open_store(tmp_path / "store.db") as store:
            world = World(store)
            await world.application()
            async with engine(store, recorder) as services:
                bad, _ = await endpoint_of(world, services), await endpoint_of(world, services)
                await damage("update endpoints set metadata = '' where id = :endpoint", endpoint=bad.id)
                await accept(services, b"0", world.app)
                assert await recorder.sent.get() == b"0"
                await accept(services, b"1", world.app)
                assert await recorder.sent.get() == b"1"
                await damage("update endpoints set metadata = '{}' where id = :endpoint", endpoint=bad.id)
                services.dispatcher.endpoint_changed(bad.id)
                assert {await recorder.sent.get(), await recorder.sent.get()} == {b"0", b"1"}

    asyncio.run(run())


def test_at_an_ordered_endpoint_one_that_cannot_be_read_holds_up_those_behind_it(tmp_path: Path) -> None:
    async def story(world: World, damage: Damage) -> None:
        endpoint = await world.endpoint(options=Options(ordered=True))
        first, bad, last = [await world.message(endpoint, channels=("c",)) for _ in range(3)]
        await damage("update messages set channels = '[' where id = :message", message=bad.id)
        rows = await claim(world, endpoint, ordered=True)
        assert [one.message for one in rows.claimed] == [first]
        await world.settle(first, endpoint, rows.claimed[0].delivery, State.SUCCESS)
        rows = await claim(world, endpoint, ordered=True)
        assert (rows.claimed, [aside.key.message for aside in rows.set_aside]) == ((), [bad.id])
        assert await claim(world, endpoint, ordered=True) == ClaimedRows((), world.now + SET_ASIDE_MS)
        await damage("update messages set channels = '[\"c\"]' where id = :message", message=bad.id)
        world.now += SET_ASIDE_MS
        assert [one.message for one in (await claim(world, endpoint, ordered=True)).claimed] == [bad, last]

    check(tmp_path, story)


@pytest.mark.parametrize(
    "sql", ["update messages set channels = '[' where id = :message", "update outcomes set state = 9 where message = :message"]
)
def test_a_task_passes_over_a_message_that_cannot_be_read(tmp_path: Path, sql: str) -> None:
    async def story(world: World, damage: Damage) -> None:
        endpoint = await world.endpoint()
        first, bad, last = await ended(world, endpoint, *[State.SUCCESS] * 3)
        await damage(sql, message=bad.id)
        await begin(world, endpoint, Kind.BULK)
        await finish(world)
        task = await found(world)
        assert (task.state, task.looked, task.done) == (TaskState.FINISHED, 3, 2)
        assert [one.message for one in (await claim(world, endpoint)).claimed] == [first, last]

    check(tmp_path, story)


def test_a_task_that_meets_a_text_that_is_none_ends_and_the_others_go_on(tmp_path: Path) -> None:
    async def story(world: World, damage: Damage) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        (bad,) = await ended(world, endpoint, State.SUCCESS)
        (good,) = await ended(world, other, State.SUCCESS)
        await damage(f"update messages set event_type = {NO_TEXT} where id = :message", message=bad.id)
        await begin(world, endpoint, Kind.BULK, task="qtask_1")
        await begin(world, other, Kind.BULK, task="qtask_2")
        await finish(world)
        assert [(await found(world, task)).state for task in ("qtask_1", "qtask_2")] == [TaskState.FAILED, TaskState.FINISHED]
        assert [one.message for one in (await claim(world, other)).claimed] == [good]

    check(tmp_path, story)
