"""What waits together is committed together, and judged one by one."""

import asyncio

import pytest

from hookwright.domain.applications import Application
from hookwright.domain.pages import PageRequest
from hookwright.errors import Conflict, NotFound
from hookwright.store.applications import CreateApplication, DeleteApplication, FindApplication, ListApplications
from hookwright.store.nodes import OpenNode

from .conftest import OpenStore
from .makers import NOW, ORG, World, check


def creation(world: World, **fields: str) -> CreateApplication:
    values = {"name": "a"} | fields
    return CreateApplication(
        application=Application(id=world.mint.mint("app", NOW), organization=ORG, created_at=NOW, updated_at=NOW, **values)  # type: ignore[arg-type]
    )


def test_a_thousand_writes_at_once_are_all_kept(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            epochs = await asyncio.gather(*(store.write(OpenNode(now=NOW)) for _ in range(1000)))
            assert sorted(epochs) == list(range(min(epochs), min(epochs) + 1000))
        async with stores() as store:
            assert await store.write(OpenNode(now=NOW)) == max(epochs) + 1

    asyncio.run(story())


def test_what_one_command_raises_is_raised_to_its_caller_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        commands = [creation(world, uid=uid) for uid in ("a", "a", "b", "a", "c")]
        answers = await asyncio.gather(*(world.store.write(command) for command in commands), return_exceptions=True)
        assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False, True, False]
        page = await world.store.read(ListApplications(organization=ORG, page=PageRequest()))
        assert {application.uid for application in page.data} == {"customer", "a", "b", "c"}

    check(stores, story)


def test_a_refusal_in_one_group_does_not_change_how_the_next_are_judged(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for round in range(3):  # a store may be more careful after the first
            commands = [creation(world, uid=f"{uid}{round}") for uid in ("a", "b", "a", "c")]
            answers = await asyncio.gather(*(world.store.write(command) for command in commands), return_exceptions=True)
            refused = [isinstance(answer, Conflict) for answer in answers]
            assert refused in ([False, False, True, False], [True, False, False, False])  # either may be faster
        page = await world.store.read(ListApplications(organization=ORG, page=PageRequest()))
        assert len(page.data) == 1 + 3 * 3

    check(stores, story)


def test_a_write_is_seen_by_the_next_read(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for _ in range(20):
            command = creation(world)
            await world.store.write(command)
            found = await world.store.read(FindApplication(organization=ORG, ref=command.application.id))
            assert found == command.application

    check(stores, story)


def test_what_follows_a_commit_is_called_before_the_caller_goes_on(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        told: list[int] = []
        epoch = await world.store.write(OpenNode(now=NOW), on_commit=told.append)
        assert told == [epoch]

    check(stores, story)


def test_what_follows_a_commit_is_called_though_the_caller_was_cancelled(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        told: asyncio.Queue[int] = asyncio.Queue()
        caller = asyncio.ensure_future(world.store.write(OpenNode(now=NOW), on_commit=told.put_nowait))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        epoch = await asyncio.wait_for(told.get(), 60)
        assert await world.store.write(OpenNode(now=NOW)) == epoch + 1

    check(stores, story)


def test_what_follows_a_commit_is_not_called_for_a_refused_command(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        told: list[Application] = []
        with pytest.raises(NotFound):
            await world.store.write(DeleteApplication(organization=ORG, ref="unknown", now=NOW), on_commit=told.append)
        assert told == []

    check(stores, story)


def test_a_callback_that_fails_keeps_nobody_from_an_answer(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        def fail(_: int) -> None:
            raise RuntimeError("a mistake of ours")

        epochs = await asyncio.gather(world.store.write(OpenNode(now=NOW), on_commit=fail), world.store.write(OpenNode(now=NOW)))
        assert await world.store.write(OpenNode(now=NOW)) == max(epochs) + 1 == min(epochs) + 2

    check(stores, story)


def test_closing_finishes_what_was_accepted(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            writes = [asyncio.ensure_future(store.write(OpenNode(now=NOW))) for _ in range(50)]
            await asyncio.sleep(0)
        epochs = await asyncio.gather(*writes)
        async with stores() as store:
            assert await store.write(OpenNode(now=NOW)) == max(epochs) + 1

    asyncio.run(story())
