"""What every store keeps of transformations."""

from typing import Any

import pytest

from hookwright.domain.endpoints import EndpointRecord
from hookwright.domain.transformations import SealedTransformation
from hookwright.errors import NotFound
from hookwright.store.endpoints import DeleteEndpoint, FindEndpointRecord, LoadEndpoint
from hookwright.store.transformations import ChangeTransformation, FindTransformation

from .conftest import OpenStore
from .makers import NOW, World, check
from .tables import ReadTables, naming


async def change(world: World, endpoint: str, **fields: Any) -> SealedTransformation:
    return await world.store.write(ChangeTransformation(application=world.app, endpoint=endpoint, now=world.now, **fields))


async def kept(world: World, endpoint: str) -> SealedTransformation | None:
    return await world.store.read(FindTransformation(endpoint=endpoint))


async def loaded(world: World, endpoint: str) -> EndpointRecord:
    record = await world.store.read(LoadEndpoint(id=endpoint))
    assert record is not None
    return record


def test_an_endpoint_has_none_until_there_is_one(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        assert await kept(world, endpoint.id) is None
        assert (await loaded(world, endpoint.id)).transformation is None
        made = await change(world, endpoint.id, enabled=True)
        assert made == SealedTransformation(code="", enabled=True, sealed_variables=None, updated_at=NOW)
        assert not made.runs

    check(stores, story)


def test_what_is_not_given_stays(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, other = await world.endpoint(), await world.endpoint()
        await change(world, one.id, code="a", enabled=True, variables=b"v")
        world.now += 5
        expected = SealedTransformation(code="b", enabled=True, sealed_variables=b"v", updated_at=NOW + 5)
        assert await change(world, one.id, code="b") == expected
        assert await kept(world, one.id) == expected
        assert (await loaded(world, one.id)).transformation == expected
        assert (await change(world, one.id, enabled=False)).enabled is False
        assert (await change(world, one.id, variables=None)).sealed_variables is None
        assert (await change(world, one.id, code="")).code == ""
        assert await kept(world, other.id) is None

    check(stores, story)


def test_of_an_endpoint_that_is_not_there_nothing_is_changed(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        elsewhere = await world.application()
        endpoint = await world.endpoint()
        with pytest.raises(NotFound):
            await change(world, "ep_none", code="a")
        command = ChangeTransformation(application=elsewhere.id, endpoint=endpoint.id, code="a", now=NOW)
        with pytest.raises(NotFound):
            await world.store.write(command)
        assert await kept(world, endpoint.id) is None

    check(stores, story)


def test_with_its_endpoint_it_goes_at_once(stores: OpenStore, tables: ReadTables) -> None:
    gone: list[str] = []

    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        gone.append(endpoint.id)
        await change(world, endpoint.id, code="a", variables=b"sealed")
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=NOW))
        assert await world.store.read(FindEndpointRecord(application=world.app, ref=endpoint.id)) is None
        assert await kept(world, endpoint.id) is None
        with pytest.raises(NotFound):
            await change(world, endpoint.id, code="b")

    check(stores, story)
    assert "transformations" not in naming(tables(), gone[0])
