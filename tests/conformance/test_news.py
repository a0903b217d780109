"""What a store tells of changes: on PostgreSQL each, to every process; on SQLite nothing, for there the process knows what it did."""

import pytest

from hookwright.clock import SystemClock
from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import CancelDeliveries
from hookwright.store.endpoints import SetHeaders
from hookwright.store.messages import CancelMessage, ExpungeContent, FindMessage
from hookwright.store.news import RecentNews
from hookwright.store.retention import Erase
from hookwright.store.seals import ListSeals, ReplaceSeals

from .conftest import OpenStore
from .makers import NOW, ORG, OWNER, World, check

LONG_MS = 600_000


async def recent(world: World, most: int = 100) -> list[tuple[str, str, str]]:
    """The newest first."""
    return [(news.kind, news.application, news.item) for news in await world.store.read(RecentNews(within_ms=LONG_MS, most=most))]


def test_changes_are_told_the_newest_first(stores: OpenStore, request: pytest.FixtureRequest) -> None:
    alone = "sqlite" in request.node.name

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.store.write(SetHeaders(application=world.app, endpoint=endpoint.id, sealed=b"x", expected=None, now=NOW))
        assert set(await recent(world)) == (set() if alone else {("endpoint", world.app, endpoint.id)})
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=NOW))
        told = await recent(world)
        assert ("application", world.app, world.app) in told or alone
        assert await recent(world, most=1) == told[:1]

    check(stores, story)


def test_what_is_sealed_anew_is_no_news(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint(headers=b"old headers")
        before = await recent(world)
        found = await world.store.read(ListSeals(limit=9))
        await world.store.write(ReplaceSeals(changes=tuple((seal, b"new " + seal.sealed) for seal in found)))
        renewed = await world.store.read(ListSeals(limit=9))
        assert {seal.sealed for seal in renewed} == {b"new first", b"new old headers"}
        assert await recent(world) == before
        command = SetHeaders(application=world.app, endpoint=endpoint.id, sealed=None, expected=b"new old headers", now=NOW)
        await world.store.write(command)
        assert len(await recent(world)) in (0, len(before) + 1)

    check(stores, story)


def test_of_a_deleted_application_each_message_is_no_news_of_its_own(stores: OpenStore, request: pytest.FixtureRequest) -> None:
    alone = "sqlite" in request.node.name

    async def story(world: World) -> None:
        world.now = later = SystemClock().now() - LONG_MS  # nothing has expired
        endpoint = await world.endpoint()
        expunged, kept = await world.message(endpoint), await world.message(endpoint)
        await world.store.write(ExpungeContent(application=world.app, message=expunged.id, now=later))
        assert ("message", "", expunged.id) in await recent(world) or alone
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=later))
        while await world.store.write(CancelDeliveries(now=later + LONG_MS, limit=9)):
            pass
        before = await recent(world)
        while await world.store.write(Erase(now=later + LONG_MS, before=later + LONG_MS, old=None, limit=9)):
            pass
        assert await world.store.read(FindMessage(application=world.app, ref=kept.id)) is None
        assert await recent(world) == before

    check(stores, story)


def test_a_canceled_message_is_told_of_where_somebody_has_it(stores: OpenStore, request: pytest.FixtureRequest) -> None:
    alone = "sqlite" in request.node.name

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        waits, held = await world.message(endpoint), await world.message(endpoint, owner=OWNER)
        before = await recent(world)
        for quietly, message in ((False, waits), (True, held)):
            await world.store.write(CancelMessage(application=world.app, message=message.id, alone=quietly, now=NOW))
            assert await recent(world) == before
        await world.store.write(CancelMessage(application=world.app, message=held.id, now=NOW))
        assert await recent(world) == ([] if alone else [("cancel", world.app, held.id)]) + before

    check(stores, story)
