"""What every store does with sealed values: show all of them once, and put new ones in their place."""

import pytest

from hookwright.domain.endpoints import EndpointRecord, SealedSecret
from hookwright.store import Once
from hookwright.store.endpoints import CreateEndpoint, DeleteEndpoint, FindEndpointRecord, RotateSecret, SetAccess, SetHeaders
from hookwright.store.organizations import KeepAnswer
from hookwright.store.seals import ListSeals, ReplaceSeals, SampleSeals, Seal
from hookwright.store.transformations import ChangeTransformation, FindTransformation

from .conftest import OpenStore
from .makers import HOUR, NOW, World, check

KEY = b"\x00\xffkey"
SEALED_ANSWER = b"\x01sealed"
"""A seal begins with its form; what else is remembered begins with text."""


async def sealed_endpoint(world: World, *, headers: bytes | None = None, access: bytes | None = None) -> str:
    endpoint = await world.store.write(CreateEndpoint(record=world.record(headers=headers, access=access), most=100))
    return endpoint.id


async def rotate(world: World, endpoint: str, sealed: bytes) -> None:
    secret = SealedSecret(sealed, world.now)
    await world.store.write(
        RotateSecret(application=world.app, endpoint=endpoint, secret=secret, old_expires_at=NOW + HOUR, now=NOW, most=10)
    )


async def add_variables(world: World, endpoint: str, sealed: bytes) -> None:
    await world.store.write(ChangeTransformation(application=world.app, endpoint=endpoint, code="a", variables=sealed, now=NOW))


async def remember(world: World, answer: bytes, key: bytes = KEY) -> None:
    await world.store.write(KeepAnswer(), once=Once(key=key, fingerprint=b"", remember=lambda _: answer, now=NOW, expires_at=NOW + HOUR))


async def every(world: World, slice_size: int = 100) -> list[Seal]:
    found: list[Seal] = []
    while seals := await world.store.read(ListSeals(after=found[-1] if found else None, limit=slice_size)):
        assert len(seals) <= slice_size
        found += seals
    return found


async def record_of(world: World, endpoint: str) -> EndpointRecord:
    record = await world.store.read(FindEndpointRecord(application=world.app, ref=endpoint))
    assert record is not None
    return record


@pytest.mark.parametrize("slice_size", [1, 2, 100])
def test_every_sealed_value_is_listed_once_whatever_the_slices(stores: OpenStore, slice_size: int) -> None:
    async def story(world: World) -> None:
        one, two = await sealed_endpoint(world, headers=b"h1", access=b"a1"), await sealed_endpoint(world, access=b"a2")
        await add_variables(world, two, b"v2")
        await world.store.write(ChangeTransformation(application=world.app, endpoint=one, code="a", now=NOW))
        await rotate(world, one, b"second")
        await remember(world, SEALED_ANSWER)
        found = {(seal.kind, seal.owner, seal.sealed) for seal in await every(world, slice_size)}
        assert found == {
            ("access", one, b"a1"),
            ("access", two, b"a2"),
            ("answer", KEY.hex(), SEALED_ANSWER),
            ("headers", one, b"h1"),
            ("secret", one, b"first"),
            ("secret", one, b"second"),
            ("secret", two, b"first"),
            ("variables", two, b"v2"),
        }
        assert len(await every(world, slice_size)) == len(found)

    check(stores, story)


@pytest.mark.parametrize("answer", [b"201{}", b'["msg_1",2]', b'{"exp": 1}', b""])
def test_an_answer_that_is_not_sealed_is_not_listed(stores: OpenStore, answer: bytes) -> None:
    async def story(world: World) -> None:
        await remember(world, answer)
        assert await every(world) == []

    check(stores, story)


def test_of_a_deleted_endpoint_nothing_sealed_is_left(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        gone, kept = await sealed_endpoint(world, headers=b"h", access=b"a"), await sealed_endpoint(world)
        await world.store.write(DeleteEndpoint(application=world.app, ref=gone, now=NOW))
        assert {seal.owner for seal in await every(world)} == {kept}
        assert {seal.owner for seal in await world.store.read(SampleSeals(limit=5))} == {kept}

    check(stores, story)


def test_a_sample_has_all_that_is_sealed_of_the_endpoints_at_either_end_and_each_once(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        assert await world.store.read(SampleSeals(limit=5)) == []
        first, *_, last = [await sealed_endpoint(world, headers=b"h", access=b"a") for _ in range(4)]
        await rotate(world, last, b"second")
        found = [(seal.kind, seal.owner, seal.sealed) for seal in await world.store.read(SampleSeals(limit=1))]
        assert sorted(found) == sorted(
            [
                ("access", first, b"a"),
                ("access", last, b"a"),
                ("headers", first, b"h"),
                ("headers", last, b"h"),
                ("secret", first, b"first"),
                ("secret", last, b"first"),
                ("secret", last, b"second"),
            ]
        )
        all_of_them = await world.store.read(SampleSeals(limit=3))
        assert len(all_of_them) == 13

    check(stores, story)


def test_new_bytes_come_to_the_place_of_the_old_and_nothing_else_changes(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, two = [await sealed_endpoint(world, headers=b"h", access=b"a") for _ in range(2)]
        await rotate(world, one, b"second")
        await remember(world, SEALED_ANSWER)
        await remember(world, SEALED_ANSWER, key=b"other")
        before, other = await record_of(world, one), await record_of(world, two)
        places = {
            (KEY.hex(), SEALED_ANSWER): b"\x01new",
            (one, b"h"): b"new h",
            (one, b"a"): b"new a",
            (one, b"first"): b"new first",
            (one, b"second"): b"new second",
        }
        seals = await every(world)
        changes = tuple((seal, places[seal.owner, seal.sealed]) for seal in seals if (seal.owner, seal.sealed) in places)
        await world.store.write(ReplaceSeals(changes=changes))
        after = await record_of(world, one)
        assert after.endpoint == before.endpoint
        assert [secret.sealed for secret in after.secrets] == [b"new second", b"new first"]
        assert [(secret.created_at, secret.expires_at) for secret in after.secrets] == [
            (secret.created_at, secret.expires_at) for secret in before.secrets
        ]
        assert (after.sealed_headers, after.sealed_access) == (b"new h", b"new a")
        assert await record_of(world, two) == other
        answers = {seal.owner: seal.sealed for seal in await every(world) if seal.kind == "answer"}
        assert answers == {KEY.hex(): b"\x01new", b"other".hex(): SEALED_ANSWER}

    check(stores, story)


def test_what_has_changed_meanwhile_is_not_replaced(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one = await sealed_endpoint(world, headers=b"h", access=b"a")
        seals = await every(world)
        await world.store.write(SetHeaders(application=world.app, endpoint=one, sealed=b"newer", expected=b"h", now=NOW))
        await world.store.write(SetAccess(application=world.app, endpoint=one, sealed=b"newest", expected=b"a", now=NOW))
        await world.store.write(ReplaceSeals(changes=tuple((seal, b"again") for seal in seals)))
        after = await record_of(world, one)
        assert (after.sealed_headers, after.sealed_access) == (b"newer", b"newest")
        assert [secret.sealed for secret in after.secrets] == [b"again"]

    check(stores, story)


def test_of_an_endpoints_secrets_the_one_that_is_meant_is_replaced(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one = await sealed_endpoint(world)
        await rotate(world, one, b"first")  # the same bytes twice
        older, _ = await every(world)
        await world.store.write(ReplaceSeals(changes=((older, b"new"),)))
        assert [secret.sealed for secret in (await record_of(world, one)).secrets] == [b"first", b"new"]

    check(stores, story)


def test_variables_are_replaced_unless_they_have_changed_meanwhile(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, two = await sealed_endpoint(world), await sealed_endpoint(world)
        await add_variables(world, one, b"v1")
        await add_variables(world, two, b"v2")
        seals = [seal for seal in await every(world) if seal.kind == "variables"]
        await add_variables(world, two, b"newer")
        await world.store.write(ReplaceSeals(changes=tuple((seal, b"again") for seal in seals)))
        found = [await world.store.read(FindTransformation(endpoint=each)) for each in (one, two)]
        assert [each and each.sealed_variables for each in found] == [b"again", b"newer"]
        sample = await world.store.read(SampleSeals(limit=10))
        assert Seal("variables", one, 0, b"again") in sample

    check(stores, story)
