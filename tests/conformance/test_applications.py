"""What every store does with applications."""

import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.applications import Application
from hookwright.domain.pages import PageRequest
from hookwright.errors import Conflict, NotFound
from hookwright.ids import encode
from hookwright.store import Store
from hookwright.store.applications import CreateApplication, DeleteApplication, FindApplication, ListApplications, UpdateApplication
from tests.conformance.conftest import OpenStore

ORG, OTHER = "org_a", "org_b"


def application(number: int, **more: Any) -> Application:
    values: dict[str, Any] = {
        "id": f"app_{encode(number)}",
        "organization": ORG,
        "name": f"n{number}",
        "created_at": number,
        "updated_at": number,
    }
    return Application(**values | more)


async def create(store: Store, *applications: Application) -> None:
    for each in applications:
        await store.write(CreateApplication(application=each))


async def find(store: Store, ref: str, organization: str = ORG) -> Application | None:
    return await store.read(FindApplication(organization=organization, ref=ref))


async def page(store: Store, **request: Any) -> tuple[list[int], bool]:
    found = await store.read(ListApplications(organization=ORG, page=PageRequest(**{"order": "ascending"} | request)))
    return [each.created_at for each in found.data], found.done


def test_an_application_is_found_by_id_and_by_uid(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            made = application(1, uid="u", metadata={"k": "é"}, throttle_rate=7)
            await create(store, made)
            assert await find(store, made.id) == made
            assert await find(store, "u") == made

    asyncio.run(run())


def test_another_organization_finds_nothing(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1, uid="u"))
            assert await find(store, "u", OTHER) is None
            assert await find(store, application(1).id, OTHER) is None

    asyncio.run(run())


def test_an_application_outlives_the_process(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1))
        async with stores() as store:
            assert await find(store, application(1).id) == application(1)

    asyncio.run(run())


def test_a_uid_is_taken_once_per_organization(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1, uid="u"), application(2, uid="u", organization=OTHER))
            with pytest.raises(Conflict):
                await create(store, application(3, uid="u"))
            assert await find(store, application(3).id) is None

    asyncio.run(run())


def test_get_if_exists_answers_with_the_one_that_has_the_uid(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1, uid="u"))
            command = CreateApplication(application=application(2, uid="u"), get_if_exists=True)
            assert await store.write(command) == (application(1, uid="u"), False)

    asyncio.run(run())


def test_an_update_replaces_all_but_id_and_creation_time(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1, uid="u", metadata={"a": "b"}))
            new = application(1, name="new", throttle_rate=3, updated_at=9)
            assert await store.write(UpdateApplication(application=new)) == new
            assert await find(store, new.id) == new
            assert await find(store, "u") is None

    asyncio.run(run())


def test_an_update_of_what_is_not_there_is_refused(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            with pytest.raises(NotFound):
                await store.write(UpdateApplication(application=application(1)))

    asyncio.run(run())


def test_an_update_to_a_taken_uid_is_refused(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1, uid="u"), application(2))
            with pytest.raises(Conflict):
                await store.write(UpdateApplication(application=application(2, uid="u")))

    asyncio.run(run())


def test_an_update_computed_from_an_older_value_is_refused(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1))
            await store.write(UpdateApplication(application=application(1, name="theirs"), expected=application(1)))
            with pytest.raises(Conflict) as refused:
                await store.write(UpdateApplication(application=application(1, name="ours"), expected=application(1)))
            assert refused.value.code == "changed_meanwhile"

    asyncio.run(run())


def test_deleting_frees_the_uid(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1, uid="u"))
            await store.write(DeleteApplication(organization=ORG, ref="u", now=5))
            assert await find(store, application(1).id) is None
            await create(store, application(2, uid="u"))
            assert await find(store, "u") == application(2, uid="u")

    asyncio.run(run())


def test_deleting_twice_is_refused(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1))
            delete = DeleteApplication(organization=ORG, ref=application(1).id, now=5)
            await store.write(delete)
            with pytest.raises(NotFound):
                await store.write(delete)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"limit": 2}, ([1, 2], False)),
        ({"limit": 5}, ([1, 2, 3, 4, 5], True)),
        ({"limit": 2, "order": "descending"}, ([5, 4], False)),
        ({"limit": 2, "cursor": 2}, ([3, 4], False)),
        ({"limit": 3, "cursor": 2}, ([3, 4, 5], True)),
        ({"limit": 2, "cursor": 4, "backwards": True}, ([2, 3], False)),
        ({"limit": 3, "cursor": 4, "backwards": True}, ([1, 2, 3], True)),
        ({"limit": 2, "cursor": 2, "backwards": True, "order": "descending"}, ([4, 3], False)),
        ({"limit": 2, "cursor": 5}, ([], True)),
        ({"limit": 0}, ([], False)),
    ],
)
def test_a_list_is_read_in_pages_in_both_directions(stores: OpenStore, request_: dict[str, Any], expected: tuple[list[int], bool]) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, *(application(number) for number in (3, 1, 5, 2, 4)), application(6, organization=OTHER))
            cursor = application(request_["cursor"]).id if "cursor" in request_ else None
            assert await page(store, **request_ | {"cursor": cursor}) == expected

    asyncio.run(run())


def test_a_list_leaves_out_what_was_deleted(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1), application(2))
            await store.write(DeleteApplication(organization=ORG, ref=application(1).id, now=5))
            assert await page(store) == ([2], True)

    asyncio.run(run())


def test_a_page_names_its_ends(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await create(store, application(1), application(2), application(3))
            found = await store.read(ListApplications(organization=ORG, page=PageRequest(limit=2, order="ascending")))
            assert msgspec.structs.asdict(found) | {"data": None} == {
                "data": None,
                "done": False,
                "first": application(1).id,
                "last": application(2).id,
            }

    asyncio.run(run())
