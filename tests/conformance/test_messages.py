"""Creating messages: all of it or nothing (P1)."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from hookwright.domain.deliveries import Delivery, Key, State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.messages import Content, Message
from hookwright.domain.pages import PageRequest
from hookwright.errors import Conflict, Late, NotFound
from hookwright.store import Once, Remembered
from hookwright.store.applications import DeleteApplication
from hookwright.store.deliveries import ClaimDue, Forget
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import Created, CreateExample, CreateMessage, CreateMessages, FindMessage, ListDestinations, ListMessages
from hookwright.store.pollers import FindHorizon

from .conftest import OpenStore
from .makers import HOUR, ORG, OWNER, World, check


def creation(world: World, *endpoints: Endpoint, body: bytes = b"{}", **fields: Any) -> CreateMessage:
    ident, at = world.mint.mint_timed("msg", world.now)
    values: dict[str, Any] = {"application": world.app, "event_type": "a.b", "content_expires_at": at + HOUR} | fields
    message = Message(id=ident, organization=ORG, created_at=at, **values)
    deliveries = tuple(
        Delivery(key=Key(one.id, ident), application=message.application, organization=ORG, due_at=at, created_at=at) for one in endpoints
    )
    return CreateMessage(message=message, content=Content(body), deliveries=deliveries)


def test_a_message_and_all_its_deliveries_are_there_after_reopening(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            one, two = await world.endpoint(), await world.endpoint()
            command = creation(world, one, two, body=b'{ "kept":  "exactly" }', channels=("c",), event_id="e")
            created = await store.write(command)
            assert (created.message, created.deliveries) == (command.message, command.deliveries)
        async with stores() as store:
            found = await store.read(FindMessage(application=world.app, ref=command.message.id))
            assert found is not None
            assert (found.message, found.content) == (command.message, command.content)
            page = PageRequest(order="ascending")
            destinations = await store.read(ListDestinations(application=world.app, message=command.message.id, page=page))
            assert [(each.endpoint.id, each.status.state) for each in destinations.data] == [
                (one.id, State.PENDING),
                (two.id, State.PENDING),
            ]

    asyncio.run(story())


def test_a_message_without_deliveries_is_stored_all_the_same(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        command = creation(world)
        await world.store.write(command)
        assert await world.store.read(FindMessage(application=world.app, ref=command.message.id)) is not None
        destinations = ListDestinations(application=world.app, message=command.message.id, page=PageRequest())
        assert (await world.store.read(destinations)).data == []

    check(stores, story)


def test_an_event_id_that_was_used_is_a_conflict_and_leaves_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.store.write(creation(world, endpoint, event_id="e"))
        again = creation(world, endpoint, event_id="e")
        with pytest.raises(Conflict):
            await world.store.write(again)
        assert await world.store.read(FindMessage(application=world.app, ref=again.message.id)) is None
        assert await world.under_way() == 1

    check(stores, story)


def test_two_applications_may_use_the_same_event_id(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        other = await world.application()
        await world.store.write(creation(world, event_id="e"))
        await world.store.write(creation(world, event_id="e", application=other.id))

    check(stores, story)


def test_a_conflict_in_a_group_is_the_answer_of_that_item_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        commands = [creation(world, endpoint, event_id=event_id) for event_id in ("a", "b", "a", None, "c")]
        answers = await asyncio.gather(*(world.store.write(command) for command in commands), return_exceptions=True)
        assert [isinstance(answer, Conflict) for answer in answers] == [False, False, True, False, False]
        assert await world.under_way() == 4

    check(stores, story)


def test_an_endpoint_deleted_in_the_same_group_gets_no_delivery_and_the_others_do(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        stays, goes = await world.endpoint(), await world.endpoint()
        command = creation(world, stays, goes)
        _, created = await asyncio.gather(
            world.store.write(DeleteEndpoint(application=world.app, ref=goes.id, now=world.now)), world.store.write(command)
        )
        assert [delivery.key.endpoint for delivery in created.deliveries] == [stays.id]

    check(stores, story)


def test_a_message_to_a_deleted_application_is_not_found(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        with pytest.raises(NotFound):
            await world.store.write(creation(world))

    check(stores, story)


def test_an_application_of_another_organization_is_not_found(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        command = creation(world)
        foreign = CreateMessage(
            message=Message(
                id=command.message.id, organization="org_other", application=world.app, event_type="a", created_at=1, content_expires_at=2
            ),
            content=command.content, deliveries=(),
        )  # fmt: skip
        with pytest.raises(NotFound):
            await world.store.write(foreign)

    check(stores, story)


def test_a_delivery_that_is_claimed_on_insert_is_not_claimed_again(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(endpoint, owner=OWNER)
        due = await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER + 1, now=world.now + HOUR, limit=9, most_bytes=9))
        assert due.claimed == ()

    check(stores, story)


def test_a_body_goes_when_its_time_has_come_and_the_message_stays(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        command = creation(world)
        await world.store.write(command)
        assert await world.store.write(Forget(now=command.message.content_expires_at - 1, limit=10)) == 0
        assert await world.store.write(Forget(now=command.message.content_expires_at, limit=10)) == 1
        found = await world.store.read(FindMessage(application=world.app, ref=command.message.id))
        assert found is not None
        assert found.content is None

    check(stores, story)


def test_forgetting_takes_no_more_than_its_limit(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        for _ in range(5):
            await world.store.write(creation(world))
        assert [await world.store.write(Forget(now=world.now + 2 * HOUR, limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    check(stores, story)


def test_some_messages_are_kept_together_and_each_is_judged_by_itself(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.message(event_id="taken")
        commands = [
            creation(world, endpoint),
            creation(world, event_id="taken"),
            creation(world, event_id="e"),
            creation(world, event_id="e"),
        ]
        results = await world.store.write(CreateMessages(messages=tuple(commands)))
        assert [type(one) for one in results] == [Created, Conflict, Created, Conflict]
        assert [one.deliveries for one in results if isinstance(one, Created)] == [commands[0].deliveries, ()]
        for command, there in zip(commands, (True, False, True, False), strict=True):
            found = await world.store.read(FindMessage(application=world.app, ref=command.message.id))
            assert (found is not None) is there
            assert found is None or found.content == command.content

    check(stores, story)


def test_some_messages_go_to_the_endpoints_that_are_left(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        one, two = await world.endpoint(), await world.endpoint()
        commands = [creation(world, one, two), creation(world, two), creation(world, one)]
        await world.store.write(DeleteEndpoint(application=world.app, ref=one.id, now=world.now))
        results = await world.store.write(CreateMessages(messages=tuple(commands)))
        assert [[each.key.endpoint for each in made.deliveries] for made in results if isinstance(made, Created)] == [
            [two.id],
            [two.id],
            [],
        ]

    check(stores, story)


def test_no_message_is_kept_for_an_application_that_is_gone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        commands = (creation(world), creation(world, event_id="e"), creation(world, event_id="e"))
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        with pytest.raises(NotFound):
            await world.store.write(CreateMessages(messages=commands))

    check(stores, story)


def test_some_messages_for_an_application_that_is_gone_leave_their_key_as_good_as_new(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        def once() -> Once[Any]:
            return Once(key=b"k", fingerprint=b"f", remember=lambda _: b"kept", now=world.now, expires_at=world.now + HOUR)

        gone = CreateMessages(messages=(creation(world), creation(world)))
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        with pytest.raises(NotFound):
            await world.store.write(gone, once=once())
        world.app = (await world.application()).id
        results = await world.store.write(CreateMessages(messages=(creation(world),)), once=once())
        assert not isinstance(results, Remembered) and [type(one) for one in results] == [Created]

    check(stores, story)


def test_some_messages_happen_once_for_a_key(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        def once() -> Once[Any]:
            return Once(key=b"k", fingerprint=b"f", remember=lambda some: b"%d" % len(some), now=world.now, expires_at=world.now + HOUR)

        async def ask() -> Any:
            return await world.store.write(CreateMessages(messages=(creation(world), creation(world))), once=once())

        results = await asyncio.gather(*(ask() for _ in range(5)))
        assert sorted(type(one).__name__ for one in results) == ["Remembered"] * 4 + ["tuple"]
        assert {one.answer for one in results if isinstance(one, Remembered)} == {b"2"}
        assert len((await world.store.read(ListMessages(application=world.app, page=PageRequest()))).data) == 2

    check(stores, story)


def test_where_readers_go_by_the_time_a_message_that_comes_too_late_is_refused_alone_and_keeps_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        horizon = await world.store.read(FindHorizon(settling_ms=0))
        endpoint = await world.endpoint()
        in_time = creation(world, endpoint, event_id="e")
        late = structs.replace(creation(world, endpoint, event_id="late"), latest=world.now)
        once = Once[Any](key=b"k", fingerprint=b"f", remember=lambda _: b"kept", now=world.now, expires_at=world.now + HOUR)

        async def ask(command: CreateMessage, once: Once[Any] | None = None) -> Any:
            return await world.store.write(command, once=once)

        results = await asyncio.gather(ask(late, once), ask(in_time), return_exceptions=True)
        assert isinstance(results[1], Created)
        if horizon is None:
            assert isinstance(results[0], Created), "what is committed in the order of its ids is never late"
            return
        assert isinstance(results[0], Late)
        assert results[0].at >= horizon
        with pytest.raises(Late):
            await world.store.write(CreateMessages(messages=(creation(world), late)), once=once)
        example = CreateExample(message=late.message, content=late.content, delivery=late.deliveries[0], latest=late.latest)
        with pytest.raises(Late):
            await world.store.write(example, once=once)
        assert len((await world.store.read(ListMessages(application=world.app, page=PageRequest()))).data) == 1
        assert await world.under_way() == 1
        again = structs.replace(late, latest=results[0].at + HOUR)
        assert isinstance(await ask(again, once), Created), "neither its key nor its event id is taken"

    check(stores, story)


def test_what_is_late_for_an_application_that_is_gone_is_told_so_when_it_is_in_time(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        await world.store.write(DeleteApplication(organization=ORG, ref=world.app, now=world.now))
        with pytest.raises(NotFound):
            await world.store.write(structs.replace(creation(world), latest=2**62))

    check(stores, story)
