"""Whole messages go when they are old, and applications when they are deleted: every row of theirs, whatever table it is in."""

from collections.abc import Callable

import pytest

from hookwright.domain.applications import Application
from hookwright.domain.credentials import Revocation
from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.errors import Conflict
from hookwright.store.applications import DeleteApplication
from hookwright.store.attempts import ListAttempts
from hookwright.store.deliveries import CancelDeliveries, Forget
from hookwright.store.endpoints import DeleteEndpoint, FindEndpoint
from hookwright.store.messages import ExpungeContent, FindMessage, ListDestinations, ListMessages
from hookwright.store.organizations import Revoke
from hookwright.store.retention import Erase, Maintain, RemoveMessages, RemoveRecords
from hookwright.store.tasks import ContinueTasks

from .conftest import OpenStore
from .deliveries import claim, stats
from .makers import HOUR, NOW, ORG, World, check
from .tables import ReadTables, naming
from .tasks import begin

DAY = 24 * HOUR
MINUTE = 60_000
LATER = NOW + 91 * DAY
"""When all contents have expired."""


async def forget_contents(world: World) -> None:
    while await world.store.write(Forget(now=LATER, limit=100)):
        pass


async def remove_old(world: World, before: int, *, limit: int = 100) -> int:
    """What the janitor does about age, until nothing is left to do; how many slices a pass over the messages took."""
    while await world.store.write(Maintain(now=before + 5 * DAY, before=before)):
        pass
    slices, place = 0, await world.store.write(RemoveMessages(now=before, before=before, limit=limit))
    while place is not None:
        slices, place = slices + 1, await world.store.write(RemoveMessages(now=before, before=before, after=place, limit=limit))
    while await world.store.write(RemoveRecords(now=before, before=before, limit=limit)):
        pass
    return slices


async def exists(world: World, message: Message) -> bool:
    return await world.store.read(FindMessage(application=message.application, ref=message.id)) is not None


async def erase(world: World, *, limit: int = 100, old: int | None = None) -> int:
    """Everything that the janitor does about what was deleted a minute and more ago; how many slices that took."""
    now = world.now + 2 * MINUTE
    while await world.store.write(CancelDeliveries(now=now, limit=limit)):
        pass
    slices = 0
    while await world.store.write(Erase(now=now, before=now - MINUTE, old=old, limit=limit)):
        slices += 1
    return slices


async def a_life(world: World, app: str) -> tuple[Endpoint, Message, Message]:
    """Something of everything that is kept about an application; of its messages one ended and one goes on."""
    endpoint = await world.endpoint(
        application=app, headers=b"sealed headers of " + app.encode(), access=b"sealed access of " + app.encode(), uid=f"uid-{app}"
    )
    ended = await world.message(endpoint, application=app, event_id=f"event-{app}", body=app.encode())
    live = await world.message(endpoint, application=app)
    await world.attempt(ended, endpoint, State.FAIL)
    await world.attempt(live, endpoint, State.PENDING, due_at=world.now)
    await begin(world, endpoint, task=f"qtask_{app}")
    revocation = Revocation(organization=ORG, application=app, issued_until=1, effective_at=1, forget_at=LATER * 2)
    await world.store.write(Revoke(revocations=(revocation,)))
    return endpoint, ended, live


@pytest.mark.parametrize("created", [NOW, NOW - 30 * DAY], ids=["in its day", "in no day"])
def test_of_a_message_that_is_old_no_row_is_left(stores: OpenStore, tables: ReadTables, created: int) -> None:
    kept: list[Message] = []

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        world.now = created
        old = await world.message(endpoint, event_id="mine")
        await world.attempt(old, endpoint, State.PENDING, due_at=world.now)
        await world.attempt(old, endpoint, State.FAIL)
        world.now = NOW + 5 * DAY
        young = await world.message(endpoint, event_id="yours")
        await world.attempt(young, endpoint, State.SUCCESS)
        kept.extend([old, young])
        await forget_contents(world)
        await remove_old(world, NOW + DAY)
        assert not await exists(world, old)
        assert await exists(world, young)
        again = await world.message(endpoint, event_id="mine")
        kept.append(again)
        with pytest.raises(Conflict):
            await world.message(endpoint, event_id="yours")
        page = await world.store.read(ListMessages(application=world.app, page=PageRequest()))
        assert [found.message.id for found in page.data] == [again.id, young.id]

    check(stores, story)
    old, young, again = kept
    assert naming(tables(), old.id) == {}
    assert naming(tables(), young.id) == {"messages": 1, "contents": 1, "event_ids": 1, "outcomes": 1, "attempts": 1}
    assert naming(tables(), again.id)["event_ids"] == 1
    assert [row["hour"] for row in tables()["counters"]] == [(NOW + 5 * DAY) // HOUR]


@pytest.mark.parametrize("created", [NOW, NOW - 30 * DAY], ids=["in its day", "in no day"])
def test_a_message_with_a_live_delivery_stays_however_old(
    stores: OpenStore, tables: ReadTables, lose_contents: Callable[[], None], created: int
) -> None:
    """With what is known of it (P2)."""
    kept: list[Message] = []

    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        world.now = created
        live = await world.message(endpoint, other, event_id="mine")
        ended = await world.message(other)
        await world.attempt(live, endpoint, State.PENDING, due_at=world.now + 5)
        world.now += 2 * HOUR
        for message in (live, ended):
            await world.attempt(message, other, State.SUCCESS)
        kept.extend([live, ended])
        lose_contents()
        await remove_old(world, NOW + DAY)
        await remove_old(world, NOW + DAY)
        assert await exists(world, live)
        (claimed,) = (await claim(world, endpoint)).claimed
        assert claimed.message.event_id == "mine"
        found = await world.store.read(ListDestinations(application=world.app, message=live.id, page=PageRequest()))
        assert [destination.status.state for destination in found.data] == [State.SUCCESS, State.SENDING]
        attempts = await world.store.read(ListAttempts(application=world.app, message=live.id, page=PageRequest()))
        assert len(attempts.data) == 2
        with pytest.raises(Conflict):
            await world.message(endpoint, event_id="mine")

    check(stores, story)
    live, ended = kept
    assert naming(tables(), live.id) == {"messages": 1, "event_ids": 1, "deliveries": 1, "outcomes": 1, "attempts": 2}
    assert naming(tables(), ended.id) == {}


@pytest.mark.parametrize("created", [NOW, NOW - 30 * DAY], ids=["in its day", "in no day"])
def test_a_message_that_stayed_goes_when_its_last_delivery_has_ended(
    stores: OpenStore, tables: ReadTables, lose_contents: Callable[[], None], created: int
) -> None:
    kept: list[Message] = []

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        world.now = created
        message = await world.message(endpoint)
        kept.append(message)
        lose_contents()
        await remove_old(world, NOW + DAY)
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=world.now))
        await remove_old(world, NOW + DAY)

    check(stores, story)
    assert naming(tables(), kept[0].id) == {}


def test_a_message_stays_as_long_as_its_content(stores: OpenStore) -> None:
    """Its own time may be later than its age allows, and what can be sent again must not come to life when it is gone."""

    async def story(world: World) -> None:
        message = await world.message()
        await remove_old(world, NOW + DAY)
        found = await world.store.read(FindMessage(application=world.app, ref=message.id))
        assert found is not None
        assert found.content is not None

    check(stores, story)


def test_an_attempt_of_a_later_day_is_no_riddle_when_its_message_is_gone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.PENDING, due_at=NOW)
        world.now = NOW + 2 * DAY
        await world.attempt(message, endpoint, State.SUCCESS)
        await forget_contents(world)
        await remove_old(world, NOW + DAY)
        listed = await world.store.read(ListAttempts(application=world.app, endpoint=endpoint.id, page=PageRequest()))
        assert {attempt.key.message for attempt in listed.data} <= {message.id}
        await remove_old(world, NOW + 3 * DAY)
        assert (await world.store.read(ListAttempts(application=world.app, endpoint=endpoint.id, page=PageRequest()))).data == []

    check(stores, story)


def test_a_pass_over_the_messages_goes_in_slices_and_reaches_every_application(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World) -> None:
        world.now = NOW - 30 * DAY
        for _ in range(3):
            application = await world.application()
            endpoint = await world.endpoint(application=application.id)
            for _ in range(3):
                message = await world.message(endpoint, application=application.id)
                for _ in range(4):
                    await world.attempt(message, endpoint, State.PENDING, due_at=world.now)
                await world.attempt(message, endpoint, State.FAIL)
        await forget_contents(world)
        assert await remove_old(world, NOW, limit=2) > 9 * 3

    check(stores, story)
    rows = tables()
    assert {name: len(rows[name]) for name in ("messages", "contents", "attempts", "outcomes", "event_ids", "counters")} == dict.fromkeys(
        ("messages", "contents", "attempts", "outcomes", "event_ids", "counters"), 0
    )


def test_finished_tasks_go_with_the_messages_and_open_ones_stay(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        for task in ("done", "open"):
            await begin(world, endpoint, task=task)
            if task == "done":
                await world.store.write(ContinueTasks(now=NOW, limit=9, rate=9))
        await remove_old(world, NOW)
        await remove_old(world, NOW + 1)

    check(stores, story)
    assert [row["id"] for row in tables()["tasks"]] == ["open"]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_of_a_deleted_application_no_row_is_left_in_any_table(stores: OpenStore, tables: ReadTables, limit: int) -> None:
    """In slices, each of which a crash may follow: what is left is found again."""
    gone: list[str] = []
    others: list[Application] = []

    async def story(world: World) -> None:
        other = await world.application(name="other")
        others.append(other)
        for app in (world.app, other.id):
            endpoint, ended, live = await a_life(world, app)
            if app == world.app:
                gone.extend([app, endpoint.id, ended.id, live.id])
        before = naming(tables(), world.app)
        assert before.keys() == naming(tables(), other.id).keys()
        assert {"applications", "endpoints", "messages", "event_ids", "tasks", "revocations"} <= before.keys()
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        await erase(world, limit=limit)

    check(stores, story)
    rows = tables()
    assert naming(rows, *gone) == {}
    assert naming(rows, others[0].id).keys() >= {"applications", "endpoints", "messages", "deliveries", "attempts", "outcomes"}
    assert [len(rows[name]) for name in ("endpoint_secrets", "counters", "contents")] == [1, 1, 2]


def test_an_application_is_not_erased_before_its_deliveries_are_canceled(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World) -> None:
        _, _, live = await a_life(world, world.app)
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        later = world.now + 2 * MINUTE
        assert await world.store.write(Erase(now=later, before=later, old=None, limit=100)) == 0
        assert naming(tables(), live.id)["deliveries"] == 1

    check(stores, story)


def test_the_secrets_and_headers_of_what_is_deleted_are_gone_at_once(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World) -> None:
        endpoint, _, _ = await a_life(world, world.app)
        other = (await world.application()).id
        await a_life(world, other)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        assert [row["endpoint"] for row in tables()["endpoint_secrets"] if row["endpoint"] == endpoint.id] == []
        assert naming(tables(), b"sealed headers of") == naming(tables(), b"sealed access of") == {"endpoints": 1}
        await world.store.write(DeleteApplication(organization=ORG, ref=other, now=world.now))
        assert tables()["endpoint_secrets"] == []
        assert naming(tables(), b"sealed headers of", b"sealed access of") == {}

    check(stores, story)


def test_what_was_sent_to_a_deleted_endpoint_is_shown_until_it_is_old(stores: OpenStore, tables: ReadTables) -> None:
    deleted: list[str] = []

    async def story(world: World) -> None:
        endpoint, ended, _ = await a_life(world, world.app)
        deleted.append(endpoint.id)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        await erase(world, old=NOW)
        assert await world.store.read(FindEndpoint(application=world.app, ref=endpoint.id, deleted=True)) is not None
        listed = await world.store.read(ListAttempts(application=world.app, message=ended.id, page=PageRequest()))
        assert len(listed.data) == 1
        assert (await stats(world, endpoint)).fail == 1
        assert await erase(world, old=NOW + HOUR, limit=1) > 3

    check(stores, story)
    assert naming(tables(), deleted[0]) == {}


@pytest.mark.parametrize("created", [NOW, NOW - 30 * DAY], ids=["in its day", "in no day"])
def test_a_message_that_is_held_goes_at_its_age_like_any_other(stores: OpenStore, tables: ReadTables, created: int) -> None:
    kept: list[Message] = []

    async def story(world: World) -> None:
        endpoint = await world.endpoint(disabled_reason="manual")
        world.now = created
        kept.append(await world.message(endpoint))
        await forget_contents(world)
        await remove_old(world, NOW + DAY)

    check(stores, story)
    assert naming(tables(), kept[0].id) == {}
