"""What every store does with event types."""

import asyncio
from typing import Any

import pytest

from hookwright.domain.event_types import EventType
from hookwright.domain.pages import PageRequest
from hookwright.errors import Conflict, NotFound
from hookwright.store import Store
from hookwright.store.event_types import (
    CreateEventType,
    DeleteEventType,
    FindEventType,
    ListEventTypes,
    PutEventType,
    UnknownEventTypes,
)
from tests.conformance.conftest import OpenStore

ORG, OTHER = "org_a", "org_b"


def event_type(name: str, **more: Any) -> EventType:
    values: dict[str, Any] = {"organization": ORG, "name": name, "created_at": 1, "updated_at": 1}
    return EventType(**values | more)


async def create(store: Store, *event_types: EventType) -> None:
    for each in event_types:
        await store.write(CreateEventType(event_type=each))


async def find(store: Store, name: str, organization: str = ORG) -> EventType | None:
    return await store.read(FindEventType(organization=organization, name=name))


async def names(store: Store, *, page: PageRequest | None = None, **more: Any) -> list[str]:
    query = ListEventTypes(organization=ORG, page=page or PageRequest(order="ascending"), **more)
    return [each.name for each in (await store.read(query)).data]


def test_an_event_type_is_found_as_it_was_made(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            schemas = {"1": {"type": "object", "title": "é"}}
            made = event_type("a.b", description="d", deprecated=True, schemas=schemas, feature_flags=("x", "y"), group_name="g")
            await create(store, made)
            assert await find(store, "a.b") == made

    asyncio.run(run())


def test_another_organization_finds_nothing(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a"))
            assert await find(store, "a", OTHER) is None

    asyncio.run(run())


def test_a_name_is_taken_once_per_organization(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a"), event_type("a", organization=OTHER))
            with pytest.raises(Conflict) as refused:
                await create(store, event_type("a"))
            assert refused.value.code == "event_type_exists"

    asyncio.run(run())


def test_an_archived_one_comes_back_with_new_values_and_its_first_creation_time(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a", archived=True))
            await create(store, event_type("a", description="new", created_at=9, updated_at=9))
            assert await find(store, "a") == event_type("a", description="new", created_at=1, updated_at=9)

    asyncio.run(run())


def test_putting_creates_or_replaces_and_says_which(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            first = await store.write(PutEventType(event_type=event_type("a")))
            second = await store.write(PutEventType(event_type=event_type("a", description="new", created_at=9, updated_at=9)))
            assert (first[1], second[1]) == (True, False)
            assert second[0] == event_type("a", description="new", created_at=1, updated_at=9) == await find(store, "a")

    asyncio.run(run())


def test_a_value_computed_from_an_older_one_is_refused(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a", description="theirs"))
            with pytest.raises(Conflict) as refused:
                await store.write(PutEventType(event_type=event_type("a", description="ours"), expected=event_type("a")))
            assert refused.value.code == "changed_meanwhile"

    asyncio.run(run())


def test_a_change_of_what_is_gone_is_refused(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            with pytest.raises(NotFound):
                await store.write(PutEventType(event_type=event_type("a"), expected=event_type("a")))
            assert await find(store, "a") is None

    asyncio.run(run())


def test_deleting_archives(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a"))
            await store.write(DeleteEventType(organization=ORG, name="a", expunge=False, now=7))
            assert await find(store, "a") == event_type("a", archived=True, updated_at=7)

    asyncio.run(run())


def test_expunging_removes(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a"))
            await store.write(DeleteEventType(organization=ORG, name="a", expunge=True, now=7))
            assert await find(store, "a") is None

    asyncio.run(run())


@pytest.mark.parametrize("expunge", [True, False])
def test_deleting_what_is_not_there_is_refused(stores: OpenStore, expunge: bool) -> None:
    async def run() -> None:
        async with stores() as store:
            with pytest.raises(NotFound):
                await store.write(DeleteEventType(organization=ORG, name="a", expunge=expunge, now=7))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PageRequest(limit=2, order="ascending"), ["a", "b"]),
        (PageRequest(limit=2, order="descending"), ["d", "c"]),
        (PageRequest(limit=2, cursor="b", order="ascending"), ["c", "d"]),
        (PageRequest(limit=2, cursor="c", order="descending"), ["b", "a"]),
        (PageRequest(limit=2, cursor="d", backwards=True, order="ascending"), ["b", "c"]),
        (PageRequest(limit=2, cursor="bb", order="ascending"), ["c", "d"]),
    ],
)
def test_a_list_is_by_name_and_honours_its_order(stores: OpenStore, page: PageRequest, expected: list[str]) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, *(event_type(name) for name in "cadb"), event_type("x", organization=OTHER))
            assert await names(store, page=page) == expected

    asyncio.run(run())


def test_a_list_has_archived_ones_only_when_asked(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a"), event_type("b", archived=True))
            assert await names(store) == ["a"]
            assert await names(store, include_archived=True) == ["a", "b"]

    asyncio.run(run())


def test_a_list_has_what_the_flags_open(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("free"), event_type("x", feature_flags=("x", "y")), event_type("z", feature_flags=("z",)))
            assert await names(store, feature_flags=frozenset({"y"})) == ["free", "x"]
            assert await names(store, feature_flags=frozenset()) == ["free"]

    asyncio.run(run())


def test_unknown_and_archived_names_are_told(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, event_type("a"), event_type("b", archived=True), event_type("c", organization=OTHER))
            query = UnknownEventTypes(organization=ORG, names=frozenset({"c", "b", "a", "nope"}))
            assert await store.read(query) == ["b", "c", "nope"]

    asyncio.run(run())
