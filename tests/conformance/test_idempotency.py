"""Idempotency keys: one effect and one answer, however often and however closely a request is repeated."""

import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.applications import Application
from hookwright.domain.pages import PageRequest
from hookwright.errors import Conflict, Invalid
from hookwright.store import Once, Remembered, Store
from hookwright.store.applications import CreateApplication, ListApplications
from hookwright.store.deliveries import Forget

from .conftest import OpenStore
from .makers import HOUR, NOW, ORG, World, check

Made = tuple[Application, bool]


def creation(world: World, **fields: Any) -> CreateApplication:
    return CreateApplication(
        application=Application(
            id=world.mint.mint("app", NOW), organization=ORG, created_at=NOW, updated_at=NOW, **({"name": "a"} | fields)
        )
    )


def once(key: bytes = b"key", *, fingerprint: bytes = b"same", now: int = NOW) -> Once[Made]:
    return Once(key=key, fingerprint=fingerprint, remember=lambda made: made[0].id.encode(), now=now, expires_at=now + HOUR)


async def ask(store: Store, command: CreateApplication, once: Once[Made]) -> Made | Remembered:
    return await store.write(command, once=once)


async def count(world: World) -> int:
    """Applications beside the world's own."""
    return len((await world.store.read(ListApplications(organization=ORG, page=PageRequest()))).data) - 1


def test_a_repeated_request_is_answered_from_the_first_and_has_no_effect(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        first = creation(world)
        assert await ask(world.store, first, once()) == (first.application, True)
        assert await ask(world.store, creation(world), once()) == Remembered(first.application.id.encode())
        assert await count(world) == 1

    check(stores, story)


def test_two_requests_at_the_same_moment_have_one_effect(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        commands = [creation(world) for _ in range(5)]
        answers = await asyncio.gather(*(ask(world.store, command, once()) for command in commands))
        (first,) = [answer for answer in answers if not isinstance(answer, Remembered)]
        assert {answer.answer for answer in answers if isinstance(answer, Remembered)} == {first[0].id.encode()}
        assert await count(world) == 1

    check(stores, story)


def test_requests_at_the_same_moment_that_want_the_same_uid_have_one_answer(stores: OpenStore) -> None:
    """Whoever finds the uid taken was not refused: it is its own, by a repetition of the same request."""

    async def story(world: World) -> None:
        for n in range(20):
            commands = [creation(world, uid=f"u{n}") for _ in range(4)]
            answers = await asyncio.gather(*(ask(world.store, command, once(b"%d" % n)) for command in commands))
            (first,) = [answer for answer in answers if not isinstance(answer, Remembered)]
            assert {answer.answer for answer in answers if isinstance(answer, Remembered)} == {first[0].id.encode()}

    check(stores, story)


def test_an_application_that_may_exist_is_found_by_all_who_make_it_at_the_same_moment(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for n in range(20):
            commands = [msgspec.structs.replace(creation(world, uid=f"u{n}"), get_if_exists=True) for _ in range(4)]
            made = await asyncio.gather(*(world.store.write(command) for command in commands))
            assert sorted(fresh for _, fresh in made) == [False, False, False, True]
            assert len({application.id for application, _ in made}) == 1

    check(stores, story)


def test_another_request_at_the_same_moment_with_the_same_uid_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for n in range(5):
            asked = [ask(world.store, creation(world, uid=f"u{n}"), once(b"%d %d" % (n, m))) for m in range(2)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(answer) for answer in answers} == {Conflict, tuple}

    check(stores, story)


def test_a_request_that_comes_while_the_first_is_being_committed_waits_for_it(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        first = asyncio.ensure_future(ask(world.store, creation(world), once()))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(ask(world.store, creation(world), once()))
        assert isinstance(await second, Remembered)
        assert first.done()

    check(stores, story)


def test_other_keys_are_other_requests(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for key in (b"one", b"two"):
            assert not isinstance(await ask(world.store, creation(world), once(key)), Remembered)
        assert await count(world) == 2

    check(stores, story)


def test_a_key_that_was_used_for_another_request_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await ask(world.store, creation(world), once())
        with pytest.raises(Invalid):
            await ask(world.store, creation(world), once(fingerprint=b"other"))
        assert await count(world) == 1

    check(stores, story)


def test_an_answer_outlives_the_process(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            first = creation(world)
            await ask(store, first, once())
        async with stores() as store:
            assert await ask(store, creation(world), once()) == Remembered(first.application.id.encode())

    asyncio.run(story())


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_key_is_new_again_when_it_has_expired(stores: OpenStore, forgotten: bool) -> None:
    async def story(world: World) -> None:
        await ask(world.store, creation(world), once())
        assert isinstance(await ask(world.store, creation(world), once(now=NOW + HOUR - 1)), Remembered)
        if forgotten:
            assert await world.store.write(Forget(now=NOW + HOUR, limit=10)) == 1
        again = await ask(world.store, creation(world), once(now=NOW + HOUR, fingerprint=b"other"))
        assert not isinstance(again, Remembered)
        assert await count(world) == 2

    check(stores, story)


def test_a_refused_request_leaves_its_key_unused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await world.application(uid="taken")
        with pytest.raises(Conflict):
            await ask(world.store, creation(world, uid="taken"), once())
        assert not isinstance(await ask(world.store, creation(world), once()), Remembered)

    check(stores, story)


def test_an_answer_that_cannot_be_remembered_undoes_its_command(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        def fail(_: object) -> bytes:
            raise ValueError("no answer")

        with pytest.raises(ValueError, match="no answer"):
            await ask(world.store, creation(world), Once(key=b"k", fingerprint=b"f", remember=fail, now=NOW, expires_at=NOW + 1))
        assert await count(world) == 0

    check(stores, story)


def test_what_follows_a_commit_is_called_for_the_first_request_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        told: list[tuple[Application, bool]] = []
        first = creation(world)
        for command in (first, creation(world)):
            await world.store.write(command, once=once(), on_commit=told.append)
        assert told == [(first.application, True)]

    check(stores, story)
