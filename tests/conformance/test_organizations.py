"""What every store does with organizations, their keys, and ended tokens."""

import asyncio
from typing import Any

import pytest

from hookwright.domain.credentials import ApiKey, Revocation
from hookwright.errors import NotFound
from hookwright.store.organizations import (
    CreateApiKey,
    EnsureOrganization,
    FindApiKey,
    ListApiKeys,
    ListRevocations,
    Revoke,
    RevokeApiKey,
)
from tests.conformance.conftest import OpenStore

ORG, OTHER = "org_a", "org_b"


def key(number: int, **more: Any) -> ApiKey:
    values: dict[str, Any] = {
        "id": f"key_{number}", "organization": ORG, "name": "n", "digest": b"\0\xff", "scopes": ("key:write",), "created_at": number,
    }  # fmt: skip
    return ApiKey(**values | more)


def revocation(**more: Any) -> Revocation:
    values: dict[str, Any] = {"organization": ORG, "application": "app_1", "issued_until": 10, "effective_at": 20, "forget_at": 100}
    return Revocation(**values | more)


def test_an_organization_may_be_named_again_and_again(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await store.write(EnsureOrganization(organization=ORG, now=1))
            await store.write(EnsureOrganization(organization=ORG, now=2))

    asyncio.run(run())


def test_a_key_is_found_by_its_id(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            made = key(1, expires_at=9)
            assert await store.write(CreateApiKey(key=made)) == made
            assert await store.read(FindApiKey(id=made.id)) == made
            assert await store.read(FindApiKey(id="key_2")) is None

    asyncio.run(run())


def test_keys_are_listed_newest_first_and_of_their_organization_only(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            for made in (key(1), key(3), key(2), key(4, organization=OTHER)):
                await store.write(CreateApiKey(key=made))
            assert await store.read(ListApiKeys(organization=ORG)) == [key(3), key(2), key(1)]

    asyncio.run(run())


def test_revoking_twice_keeps_the_first_time(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await store.write(CreateApiKey(key=key(1)))
            await store.write(RevokeApiKey(organization=ORG, id="key_1", now=5))
            assert await store.write(RevokeApiKey(organization=ORG, id="key_1", now=6)) == key(1, revoked_at=5)
            assert await store.read(FindApiKey(id="key_1")) == key(1, revoked_at=5)

    asyncio.run(run())


def test_a_key_of_another_organization_cannot_be_revoked(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            await store.write(CreateApiKey(key=key(1)))
            with pytest.raises(NotFound):
                await store.write(RevokeApiKey(organization=OTHER, id="key_1", now=5))
            assert await store.read(FindApiKey(id="key_1")) == key(1)

    asyncio.run(run())


def test_revocations_are_told_until_they_can_be_forgotten(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            made = (revocation(), revocation(session_id="s"), revocation(credential="c", forget_at=200))
            await store.write(Revoke(revocations=made))
            found = await store.read(ListRevocations(now=99))
            assert set(found) == set(made)
            assert await store.read(ListRevocations(now=100)) == [made[2]]

    asyncio.run(run())


def test_a_revocation_takes_the_place_of_those_it_covers(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            sooner = revocation(issued_until=11, effective_at=15)
            await store.write(Revoke(revocations=(revocation(), revocation(session_id="s"))))
            await store.write(Revoke(revocations=(sooner,)))
            found = await store.read(ListRevocations(now=0))
            assert set(found) == {sooner, revocation(session_id="s")}

    asyncio.run(run())


def test_a_later_end_does_not_postpone_an_earlier_one(stores: OpenStore) -> None:
    async def run() -> None:
        async with stores() as store:
            later = revocation(issued_until=30, effective_at=90)
            await store.write(Revoke(revocations=(revocation(),)))
            await store.write(Revoke(revocations=(later,)))
            found = await store.read(ListRevocations(now=0))
            assert set(found) == {revocation(), later}

    asyncio.run(run())
