import asyncio
from typing import Any

import msgspec
import pytest

from hookwright.domain.deliveries import State, Status
from hookwright.domain.messages import Content
from hookwright.domain.pages import PageRequest
from hookwright.errors import NotFound
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import (
    ExpungeContent,
    FindMessage,
    FoundMessage,
    ListDestinations,
    ListEndpointMessages,
    ListMessages,
    MessageFilter,
)
from hookwright.stores.sql import messages_read

from .conftest import OpenStore
from .makers import HOUR, NOW, OWNER, World, check


async def listed(world: World, *, limit: int = 50, **filter: Any) -> list[str]:
    page = await world.store.read(ListMessages(application=world.app, page=PageRequest(limit=limit), filter=MessageFilter(**filter)))
    return [found.message.id for found in page.data]


async def statuses(world: World, endpoint: str, states: set[int] | None = None) -> dict[str, Status]:
    wanted = None if states is None else frozenset(states)
    page = await world.store.read(ListEndpointMessages(application=world.app, endpoint=endpoint, page=PageRequest(), states=wanted))
    return {one.found.message.id: one.status for one in page.data}


def test_a_message_is_found_by_its_id_and_by_its_event_id(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = await world.message(body=b'{"n":1}', event_id="mine", channels=("c", "d"))
        wanted = FoundMessage(made, Content(b'{"n":1}'))
        assert await world.store.read(FindMessage(application=world.app, ref=made.id)) == wanted
        assert await world.store.read(FindMessage(application=world.app, ref="mine")) == wanted
        assert await world.store.read(FindMessage(application=world.app, ref="mine", with_content=False)) == FoundMessage(made, None)

    check(stores, story)


def test_a_message_of_another_application_is_not_found(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        other = await world.application()
        made = await world.message(application=other.id, event_id="mine")
        assert await world.store.read(FindMessage(application=world.app, ref=made.id)) is None
        assert await world.store.read(FindMessage(application=world.app, ref="mine")) is None
        assert await listed(world) == []

    check(stores, story)


def test_messages_are_listed_newest_first(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = [(await world.message()).id for _ in range(3)]
        assert await listed(world) == made[::-1]

    check(stores, story)


def test_pages_of_messages_meet_without_gap_or_overlap_in_both_directions(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        made = [(await world.message()).id for _ in range(7)][::-1]
        first = await world.store.read(ListMessages(application=world.app, page=PageRequest(limit=3)))
        second = await world.store.read(ListMessages(application=world.app, page=PageRequest(limit=3, cursor=first.last)))
        third = await world.store.read(ListMessages(application=world.app, page=PageRequest(limit=3, cursor=second.last)))
        back = await world.store.read(ListMessages(application=world.app, page=PageRequest(limit=3, cursor=third.first, backwards=True)))
        assert [found.message.id for page in (first, second, third) for found in page.data] == made
        assert (first.done, second.done, third.done) == (False, False, True)
        assert back.data == second.data

    check(stores, story)


def test_messages_are_filtered_by_event_type_and_channel(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        first = await world.message(event_type="a", channels=("x", "y"))
        second = await world.message(event_type="b", channels=("y",))
        third = await world.message(event_type="c")
        assert await listed(world, event_types=frozenset({"a", "c"})) == [third.id, first.id]
        assert await listed(world, channel="y") == [second.id, first.id]
        assert await listed(world, channel="y", event_types=frozenset({"a", "c"})) == [first.id]

    check(stores, story)


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_the_time_bounds_take_after_itself_and_leave_before_out(stores: OpenStore, offset: int) -> None:
    async def story(world: World) -> None:
        world.now = NOW + offset
        made = await world.message()
        at = made.created_at
        assert await listed(world, after=at, before=at + 1) == [made.id]
        assert await listed(world, after=at + 1) == []
        assert await listed(world, before=at) == []

    check(stores, story)


def test_a_filter_that_finds_little_ends_its_page_early_and_can_be_carried_on(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        rare = await world.message(event_type="rare")
        await asyncio.gather(*(world.message() for _ in range(700)))
        request = PageRequest(limit=1)
        rare_only = MessageFilter(event_types=frozenset({"rare"}))
        first = await world.store.read(ListMessages(application=world.app, page=request, filter=rare_only))
        assert (first.data, first.done) == ([], False)
        carried_on = msgspec.structs.replace(request, cursor=first.last)
        second = await world.store.read(ListMessages(application=world.app, page=carried_on, filter=rare_only))
        assert ([found.message.id for found in second.data], second.done) == ([rare.id], True)

    check(stores, story)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_page_whose_bodies_are_too_large_together_ends_early(stores: OpenStore, monkeypatch: pytest.MonkeyPatch, backwards: bool) -> None:
    monkeypatch.setattr(messages_read, "MOST_BYTES", 250)

    async def story(world: World) -> None:
        made = [(await world.message(body=b"x" * 100)).id for _ in range(5)]
        request = PageRequest(cursor=made[0] if backwards else None, backwards=backwards)
        page = await world.store.read(ListMessages(application=world.app, page=request))
        assert [found.message.id for found in page.data] == ([made[2], made[1]] if backwards else [made[4], made[3]])
        assert (page.first, page.last, page.done) == (page.data[0].message.id, page.data[1].message.id, False)
        without = await world.store.read(ListMessages(application=world.app, page=request, with_content=False))
        assert len(without.data) == (4 if backwards else 5)

    check(stores, story)


def test_a_message_that_waits_is_pending_and_one_that_is_being_sent_is_sending(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        waiting, sent = await world.message(endpoint), await world.message(endpoint, owner=OWNER)
        assert await statuses(world, endpoint.id) == {waiting.id: Status(State.PENDING), sent.id: Status(State.SENDING)}

    check(stores, story)


def test_a_failed_attempt_leaves_the_message_pending_until_its_next_one(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.PENDING, due_at=NOW + HOUR)
        assert await statuses(world, endpoint.id) == {message.id: Status(State.PENDING, NOW + HOUR)}

    check(stores, story)


def test_a_message_that_failed_and_is_sent_again_is_on_its_way_and_a_success_stays_one(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        message = await world.message(endpoint)
        await world.attempt(message, endpoint, State.FAIL)
        assert await statuses(world, endpoint.id) == {message.id: Status(State.FAIL)}
        await world.resend(message, endpoint)
        assert await statuses(world, endpoint.id) == {message.id: Status(State.PENDING)}
        await world.attempt(message, endpoint, State.SUCCESS)
        await world.resend(message, endpoint)
        assert await statuses(world, endpoint.id) == {message.id: Status(State.SUCCESS)}

    check(stores, story)


def test_an_endpoints_messages_are_filtered_by_status(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        done, failed, again = [await world.message(endpoint) for _ in range(3)]
        sending = await world.message(endpoint, owner=OWNER)
        await world.attempt(done, endpoint, State.SUCCESS)
        for message in (failed, again):
            await world.attempt(message, endpoint, State.FAIL)
        await world.resend(again, endpoint)
        await world.resend(done, endpoint)
        assert set(await statuses(world, endpoint.id, {State.SUCCESS})) == {done.id}
        assert set(await statuses(world, endpoint.id, {State.FAIL})) == {failed.id}
        assert set(await statuses(world, endpoint.id, {State.PENDING})) == {again.id}
        assert set(await statuses(world, endpoint.id, {State.SENDING})) == {sending.id}
        assert set(await statuses(world, endpoint.id, {State.CANCELED})) == set()

    check(stores, story)


def test_an_endpoints_messages_are_filtered_by_event_type_channel_and_time(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        first = await world.message(endpoint, event_type="a", channels=("x",))
        world.now += HOUR
        second = await world.message(endpoint, event_type="b")

        async def found(**filter: Any) -> list[str]:
            query = ListEndpointMessages(application=world.app, endpoint=endpoint.id, page=PageRequest(), filter=MessageFilter(**filter))
            return [one.found.message.id for one in (await world.store.read(query)).data]

        assert await found() == [second.id, first.id]
        assert await found(event_types=frozenset({"a"})) == [first.id]
        assert await found(channel="x") == [first.id]
        assert await found(after=NOW + HOUR) == [second.id]
        assert await found(before=NOW + HOUR) == [first.id]

    check(stores, story)


def test_pages_of_an_endpoints_messages_carry_on_where_the_last_one_ended(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        made = [(await world.message(endpoint, body=b'{"n":1}')).id for _ in range(5)][::-1]
        first = await world.store.read(ListEndpointMessages(application=world.app, endpoint=endpoint.id, page=PageRequest(limit=3)))
        rest = PageRequest(limit=3, cursor=first.last)
        second = await world.store.read(ListEndpointMessages(application=world.app, endpoint=endpoint.id, page=rest))
        assert [one.found.message.id for one in first.data + second.data] == made
        assert (first.done, second.done) == (False, True)
        assert first.data[0].found.content == Content(b'{"n":1}')

    check(stores, story)


def test_a_messages_destinations_are_shown_by_endpoint_with_their_status_deleted_ones_too(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        ends = [await world.endpoint() for _ in range(3)]
        message = await world.message(*ends)
        await world.attempt(message, ends[1], State.SUCCESS)
        await world.store.write(DeleteEndpoint(application=world.app, ref=ends[2].id, now=NOW))
        page = await world.store.read(ListDestinations(application=world.app, message=message.id, page=PageRequest(order="ascending")))
        assert [(one.endpoint.id, one.status.state) for one in page.data] == [
            (ends[0].id, State.PENDING),
            (ends[1].id, State.SUCCESS),
            (ends[2].id, State.PENDING),
        ]

    check(stores, story)


def test_destinations_say_truly_whether_more_follow(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        ends = [await world.endpoint() for _ in range(3)]
        message = await world.message(*ends)
        request = PageRequest(limit=2, order="ascending")
        first = await world.store.read(ListDestinations(application=world.app, message=message.id, page=request))
        rest = msgspec.structs.replace(request, cursor=first.last)
        second = await world.store.read(ListDestinations(application=world.app, message=message.id, page=rest))
        assert [one.endpoint.id for one in first.data + second.data] == [one.id for one in ends]
        assert (first.done, second.done) == (False, True)

    check(stores, story)


def test_an_expunged_content_is_gone_and_what_was_on_its_way_is_canceled(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        ends = [await world.endpoint() for _ in range(2)]
        message = await world.message(*ends)
        await world.attempt(message, ends[0], State.SUCCESS)
        await world.store.write(ExpungeContent(application=world.app, message=message.id, now=NOW))
        assert await world.store.read(FindMessage(application=world.app, ref=message.id)) == FoundMessage(message, None)
        assert await statuses(world, ends[0].id) == {message.id: Status(State.SUCCESS)}
        assert await statuses(world, ends[1].id) == {message.id: Status(State.CANCELED)}
        assert await world.under_way() == 0

    check(stores, story)


def test_a_content_is_not_expunged_from_another_application(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        other = await world.application()
        message = await world.message()
        with pytest.raises(NotFound):
            await world.store.write(ExpungeContent(application=other.id, message=message.id, now=NOW))
        found = await world.store.read(FindMessage(application=world.app, ref=message.id))
        assert found is not None
        assert found.content is not None

    check(stores, story)
