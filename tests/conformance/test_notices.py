"""What an organization is to be told of is kept with what happened, if it wants to know; and never about who is told."""

import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.applications import Application
from hookwright.domain.deliveries import Fence, State
from hookwright.domain.endpoints import Endpoint, SealedSecret
from hookwright.domain.health import Health
from hookwright.domain.notices import LastAttempt, Notice
from hookwright.domain.pages import PageRequest
from hookwright.errors import NotFound
from hookwright.store.applications import CreateApplication, DeleteApplication, FindApplication, ListApplications, UpdateApplication
from hookwright.store.deliveries import CancelDeliveries
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, LoadApplication, RotateSecret, SetHeaders, UpdateEndpoint
from hookwright.store.health import FindHealth, SaveHealth
from hookwright.store.notices import EnsureOperational, FindOperational, ListNotices, LoadOperational, RemoveNotices
from hookwright.store.retention import Erase

from .conftest import OpenStore
from .deliveries import claim, claimed, settle, settlement
from .makers import HOUR, NOW, ORG, World, check
from .tables import ReadTables, naming

OTHER = "org_other"


async def hidden(world: World, organization: str = ORG) -> Application:
    """The organization's application for operational endpoints."""
    ident = world.mint.mint("app", world.now)
    new = Application(id=ident, organization=organization, name="hidden", created_at=world.now, updated_at=world.now)
    return await world.store.write(EnsureOperational(application=new))


async def listening(world: World, **fields: Any) -> Endpoint:
    """An operational endpoint."""
    return await world.endpoint(application=(await hidden(world)).id, **fields)


async def noted(world: World) -> list[Notice]:
    return await world.store.read(ListNotices(limit=100))


async def kinds(world: World) -> list[str]:
    """Of what was noted since the last call, in no order."""
    found = await noted(world)
    await world.store.write(RemoveNotices(ids=tuple(notice.id for notice in found)))
    return sorted(notice.kind for notice in found)


async def change(world: World, endpoint: Endpoint, **fields: Any) -> Endpoint:
    return await world.store.write(UpdateEndpoint(endpoint=msgspec.structs.replace(endpoint, updated_at=world.now, **fields)))


async def everything(world: World, endpoint: Endpoint) -> None:
    """All that there are notices of happens to it."""
    await change(world, endpoint, disabled_reason="manual")
    await change(world, endpoint, disabled_reason=None)
    rotation = RotateSecret(
        application=endpoint.application, endpoint=endpoint.id, secret=SealedSecret(b"2", NOW), old_expires_at=NOW, now=NOW, most=9
    )
    await world.store.write(rotation)
    for state in (State.PENDING, State.SUCCESS, State.FAIL):
        await world.message(endpoint, application=endpoint.application)
        for one in (await claim(world, endpoint)).claimed:
            notice = "message.attempt.failing" if state is State.PENDING else "message.attempt.exhausted"
            due_at = world.now + HOUR if state is State.PENDING else None
            assert await settle(world, settlement(world, one.delivery, state, due_at=due_at, notice=notice)) == [True]
    await sick(world, endpoint, 50)
    await sick(world, endpoint, 100, disable="failing")
    await world.store.write(DeleteEndpoint(application=endpoint.application, ref=endpoint.id, now=world.now))


async def sick(world: World, endpoint: Endpoint, warned: int, **fields: Any) -> None:
    """It has failed for an hour, and so much of the clock is told of."""
    kept = await world.store.read(FindHealth(endpoint=endpoint.id))
    health = Health(version=kept.version, failing_since=NOW - HOUR, failures=12, warned=warned)
    command = SaveHealth(application=endpoint.application, endpoint=endpoint.id, health=health, now=world.now, **fields)
    assert (await world.store.write(command)).warned == warned


def test_nothing_is_noted_where_nobody_wants_to_know(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await everything(world, await world.endpoint())
        await hidden(world)
        await everything(world, await world.endpoint())
        gone = await listening(world)
        await world.store.write(DeleteEndpoint(application=gone.application, ref=gone.id, now=world.now))
        await everything(world, await world.endpoint())
        assert await noted(world) == []

    check(stores, story)


def test_what_happens_to_an_endpoint_is_noted_with_the_names_that_it_has(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint(uid="mine")
        (notice,) = await noted(world)
        assert notice == Notice(
            id=notice.id, organization=ORG, application=world.app, application_uid="customer", endpoint=endpoint.id,
            endpoint_uid="mine", kind="endpoint.created",
        )  # fmt: skip
        await change(world, endpoint, uid="other")
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        assert [(one.kind, one.endpoint_uid) for one in await noted(world)] == [
            ("endpoint.created", "mine"), ("endpoint.updated", "other"), ("endpoint.deleted", "other"),
        ]  # fmt: skip

    check(stores, story)


def test_a_person_who_disables_or_enables_an_endpoint_is_noted_once_each(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint()
        assert await kinds(world) == ["endpoint.created"]
        await change(world, endpoint, disabled_reason="manual")
        assert {notice.kind: (notice.reason, notice.fail_since) for notice in await noted(world)} == {
            "endpoint.disabled": ("manual", None),
            "endpoint.updated": (None, None),
        }
        await kinds(world)
        await change(world, endpoint, disabled_reason="manual", description="still")
        assert await kinds(world) == ["endpoint.updated"]
        await change(world, endpoint, disabled_reason=None)
        assert await kinds(world) == ["endpoint.enabled", "endpoint.updated"]

    check(stores, story)


def test_a_rotated_secret_is_noted_and_changed_headers_are_not(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint()
        await kinds(world)
        headers = SetHeaders(application=world.app, endpoint=endpoint.id, sealed=b"new", expected=None, now=world.now)
        await world.store.write(headers)
        assert await kinds(world) == []
        rotation = RotateSecret(
            application=world.app, endpoint=endpoint.id, secret=SealedSecret(b"2", NOW), old_expires_at=NOW, now=NOW, most=9
        )
        await world.store.write(rotation)
        assert await kinds(world) == ["endpoint.updated"]

    check(stores, story)


def test_a_410_is_noted_if_it_disabled_the_endpoint(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint()
        for _ in range(3):
            await world.message(endpoint)
        first, second, third = (one.delivery for one in (await claim(world, endpoint)).claimed)
        await kinds(world)
        moved = await change(world, endpoint, url="https://example.com/moved")
        assert await kinds(world) == ["endpoint.updated"]
        assert await settle(world, settlement(world, first, State.PENDING, due_at=world.now + 1, disable="gone")) == [True]
        assert await kinds(world) == [], "it was another place that answered"
        await change(world, moved, url=endpoint.url)
        await kinds(world)
        both = [settlement(world, one, State.PENDING, due_at=world.now + 1, disable="gone") for one in (second, third)]
        assert await settle(world, *both) == [True, True]
        (notice,) = await noted(world)
        assert (notice.kind, notice.reason, notice.fail_since) == ("endpoint.disabled", "gone", world.now)

    check(stores, story)


def test_an_ordered_endpoint_that_is_stuck_is_noted_as_disabled(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint()
        await world.message(endpoint)
        await kinds(world)
        stuck = settlement(
            world,
            await claimed(world, endpoint),
            State.PENDING,
            due_at=world.now + 1,
            disable="exhausted",
            notice="message.attempt.exhausted",
        )
        assert await settle(world, stuck) == [True]
        assert {notice.kind: (notice.reason, notice.fail_since) for notice in await noted(world)} == {
            "endpoint.disabled": ("exhausted", world.now),
            "message.attempt.exhausted": (None, None),
        }

    check(stores, story)


def test_the_failure_clock_is_noted_at_each_step_and_at_its_end(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint, other = await world.endpoint(), await world.endpoint()
        await kinds(world)
        await sick(world, endpoint, 0)
        for step in (50, 50, 75):
            await sick(world, endpoint, step)
        await sick(world, other, 50)
        assert [(one.endpoint, one.kind, one.fail_since, one.percent) for one in await noted(world)] == [
            (endpoint.id, "endpoint.failing", NOW - HOUR, 50),
            (endpoint.id, "endpoint.failing", NOW - HOUR, 75),
            (other.id, "endpoint.failing", NOW - HOUR, 50),
        ]
        await kinds(world)
        world.now += 5 * HOUR
        await sick(world, endpoint, 100, disable="failing")
        (notice,) = await noted(world)
        assert (notice.kind, notice.reason, notice.fail_since) == ("endpoint.disabled", "failing", NOW - HOUR)

    check(stores, story)


def test_an_attempt_is_noted_with_its_message_if_it_counts(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint(uid="mine")
        await kinds(world)
        named, other = await world.message(endpoint, event_id="event"), await world.message(endpoint)
        rows = {one.message.id: one.delivery for one in (await claim(world, endpoint)).claimed}
        told = settlement(world, rows[named.id], State.FAIL, notice="message.attempt.exhausted")
        plain = settlement(world, rows[other.id], State.SUCCESS)
        late = settlement(world, rows[other.id], State.FAIL, fence=Fence(99, 0), notice="message.attempt.exhausted")
        assert await settle(world, late, told, plain) == [False, True, True]
        assert told.attempt is not None
        (notice,) = await noted(world)
        assert notice == Notice(
            id=notice.id, organization=ORG, application=world.app, application_uid="customer", endpoint=endpoint.id,
            endpoint_uid="mine", kind="message.attempt.exhausted", message=named.id, event_id="event",
            attempt=LastAttempt(told.attempt.id, told.attempt.response_status, told.attempt.started_at),
        )  # fmt: skip
        assert await settle(world, told) == [False]
        assert len(await noted(world)) == 1

    check(stores, story)


def test_an_attempt_of_a_round_by_hand_is_noted_too(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.FAIL)
        await world.resend(message, endpoint)
        await kinds(world)
        again = await claimed(world, endpoint)
        assert again.key.round == 1
        assert await settle(world, settlement(world, again, State.SUCCESS, notice="message.attempt.recovered")) == [True]
        assert await kinds(world) == ["message.attempt.recovered"]

    check(stores, story)


def test_whatever_happens_to_an_operational_endpoint_nothing_is_noted(stores: OpenStore) -> None:
    """What is told of is never how the telling went: that would go on for ever."""

    async def story(world: World) -> None:
        await listening(world)
        await everything(world, await listening(world))
        assert await noted(world) == []
        await everything(world, await world.endpoint())
        assert set(await kinds(world)) == {
            "endpoint.created", "endpoint.updated", "endpoint.enabled", "endpoint.disabled", "endpoint.failing", "endpoint.deleted",
            "message.attempt.failing", "message.attempt.exhausted",
        }  # fmt: skip

    check(stores, story)


def test_another_organization_is_told_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        theirs = Application(id=world.mint.mint("app", NOW), organization=OTHER, name="theirs", created_at=NOW, updated_at=NOW)
        await world.store.write(CreateApplication(application=theirs))
        record = world.record(application=theirs.id)
        endpoint = msgspec.structs.replace(record.endpoint, organization=OTHER)
        await world.store.write(CreateEndpoint(record=msgspec.structs.replace(record, endpoint=endpoint), most=9))
        assert await noted(world) == []

    check(stores, story)


def test_the_application_of_operational_endpoints_is_found_by_nobody_else(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        assert await world.store.read(FindOperational(organization=ORG)) is None
        made = await hidden(world)
        endpoint = await world.endpoint(application=made.id)
        store, reference = world.store, {"organization": ORG, "ref": made.id}
        assert await store.read(FindApplication(**reference)) is None
        assert await store.read(LoadApplication(**reference)) is None
        for order in ("ascending", "descending"):
            page = await store.read(ListApplications(organization=ORG, page=PageRequest(limit=1, order=order)))
            assert ([one.uid for one in page.data], page.done) == (["customer"], True)
        for command in (DeleteApplication(**reference, now=world.now), UpdateApplication(application=made)):
            with pytest.raises(NotFound):
                await store.write(command)
        assert await store.read(FindOperational(organization=ORG)) == made
        loaded = await store.read(LoadOperational(organization=ORG))
        assert loaded is not None
        assert (loaded.application, loaded.endpoints) == (made, (endpoint,))
        assert await store.read(LoadOperational(organization=OTHER)) is None

    check(stores, story)


def test_an_organization_has_one_such_application_however_many_make_it_at_once(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await asyncio.gather(*(hidden(world) for _ in range(8)))
        assert len({application.id for application in made}) == 1
        assert (await hidden(world, OTHER)).id != made[0].id

    check(stores, story)


def test_a_notice_is_removed_once_and_its_id_never_comes_back(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            await listening(world)
            await world.endpoint()
            (first,) = await noted(world)
            for _ in range(2):
                await store.write(RemoveNotices(ids=(first.id,)))
            assert await noted(world) == []
        async with stores() as store:
            world.store = store
            await world.endpoint()
            (second,) = await noted(world)
            assert second.id > first.id

    asyncio.run(story())


def test_the_oldest_notices_come_first_and_no_more_than_were_asked_for(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await listening(world)
        made = [(await world.endpoint()).id for _ in range(4)]
        first = await world.store.read(ListNotices(limit=3))
        assert [one.endpoint for one in first] == made[:3]
        assert [one.endpoint for one in await world.store.read(ListNotices(limit=3, after=first[-1].id))] == made[3:]

    check(stores, story)


def test_of_a_deleted_application_no_notice_is_left_and_none_is_made(stores: OpenStore, tables: ReadTables) -> None:
    async def story(world: World) -> None:
        await listening(world)
        await world.endpoint()
        assert len(await noted(world)) == 1
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        assert len(await noted(world)) == 1, "its endpoints went with it, which nobody needs to be told"
        later = world.now + HOUR
        await world.store.write(CancelDeliveries(now=later, limit=100))
        while await world.store.write(Erase(now=later, before=later - 1, old=None, limit=100)):
            pass
        deleted.append(world.app)

    deleted: list[str] = []
    check(stores, story)
    assert naming(tables(), *deleted) == {}
