"""Tasks: what an endpoint had or missed is sent again, once, in slices that a restart does not repeat."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hookwright.domain.deliveries import Key, State, Trigger
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.pages import PageRequest
from hookwright.domain.tasks import AHEAD_SECONDS, WAIT_MS, Kind, TaskState
from hookwright.errors import BadRequest, NotFound
from hookwright.ids import floor
from hookwright.store.deliveries import ClaimDue
from hookwright.store.endpoints import DeleteEndpoint
from hookwright.store.messages import ExpungeContent
from hookwright.store.tasks import CancelTask, ContinueTasks, FindTask, ListTasks, NextSlice

from .conftest import OpenStore
from .makers import NOW, ORG, OWNER, World, check
from .tasks import RATE, begin, carry_on, failed, finish, found, rounds

FIRST = PageRequest()


def test_rounds_that_are_added_at_the_same_moment_are_different_ones(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        messages = await failed(world, endpoint, 10)
        for task in ("qtask_1", "qtask_2", "qtask_3"):
            await begin(world, endpoint, task=task)
        slices = [world.store.write(ContinueTasks(now=world.now, limit=100, rate=RATE)) for _ in range(3)]
        recovering = asyncio.gather(*slices)
        resent = await asyncio.gather(*(world.resend(message, endpoint) for message in messages))
        await recovering
        await finish(world)
        assert len({delivery.key for delivery in resent}) == len(messages)
        added = (await rounds(world, endpoint)).values()
        assert len(added) == len(messages)
        assert all(each == list(range(len(each))) and len(each) in (2, 3) for each in added)

    check(stores, story)


def test_what_failed_gets_a_round_of_its_own_with_the_whole_schedule(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await begin(world, endpoint)
        assert await carry_on(world) == [endpoint.id]
        due = await world.store.write(ClaimDue(endpoint=endpoint.id, owner=OWNER, now=world.now, limit=9, most_bytes=99))
        (one,) = due.claimed
        assert (one.delivery.key, one.delivery.trigger, one.delivery.attempts) == (Key(endpoint.id, message.id, 1), Trigger.RECOVER, 0)

    check(stores, story)


def test_what_succeeded_once_in_any_round_is_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await world.resend(message, endpoint)
        await world.attempt(message, endpoint, State.SUCCESS)
        await begin(world, endpoint)
        assert await carry_on(world) == []
        assert await rounds(world, endpoint) == {message.id: [0, 1]}

    check(stores, story)


def test_what_is_on_its_way_again_is_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await world.resend(message, endpoint)
        await begin(world, endpoint)
        assert await carry_on(world) == []
        assert await rounds(world, endpoint) == {message.id: [0, 1]}

    check(stores, story)


def test_what_was_canceled_or_has_no_body_is_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        canceled = await world.message(endpoint)
        for each in (message, canceled):
            await world.store.write(ExpungeContent(application=world.app, message=each.id, now=world.now))
        await begin(world, endpoint)
        assert await carry_on(world) == []

    check(stores, story)


def test_only_messages_of_the_range_are_recovered(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        _, first, _, after = await failed(world, endpoint, 4)
        await begin(world, endpoint, since=first.created_at, until=after.created_at)
        await finish(world)
        assert list((await rounds(world, endpoint)).values()) == [[0], [0, 1], [0, 1], [0]]

    check(stores, story)


def test_another_endpoints_failures_are_left_alone(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        await failed(world, other)
        await begin(world, endpoint)
        await finish(world)
        assert list((await rounds(world, other)).values()) == [[0]]

    check(stores, story)


@pytest.mark.parametrize(("limit", "slices"), [(1, 6), (2, 3), (4, 2), (5, 2), (6, 1)])
def test_slices_cover_all_of_it_once_whatever_their_size(stores: OpenStore, limit: int, slices: int) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 5)
        await begin(world, endpoint)
        assert await finish(world, limit) == slices
        assert list((await rounds(world, endpoint)).values()) == [[0, 1]] * 5

    check(stores, story)


def test_a_slice_of_several_tasks_is_no_larger_than_one_of_a_single_one(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoints = [await world.endpoint() for _ in range(3)]
        for number, endpoint in enumerate(endpoints):
            await failed(world, endpoint, 4)
            await begin(world, endpoint, task=f"qtask_{number}")
        await carry_on(world, limit=6)
        assert await world.under_way() == 6
        await finish(world, limit=6)
        assert await world.under_way() == 12

    check(stores, story)


def test_a_task_goes_on_after_reopening_where_it_was_and_doubles_nothing(stores: OpenStore) -> None:
    async def story() -> None:
        async with stores() as store:
            world = World(store)
            await world.application()
            endpoint = await world.endpoint()
            await failed(world, endpoint, 5)
            await begin(world, endpoint)
            await carry_on(world, limit=2)
        async with stores() as store:
            world.store = store
            assert (await found(world)).state is TaskState.RUNNING
            assert await world.under_way() == 2
            await finish(world, limit=2)
            assert list((await rounds(world, endpoint)).values()) == [[0, 1]] * 5

    asyncio.run(story())


def test_a_slice_says_how_many_tasks_went_on(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint)
        for task in ("qtask_1", "qtask_2"):
            await begin(world, endpoint, task=task)
        tasks = [(await world.store.write(ContinueTasks(now=world.now, limit=100, rate=RATE))).tasks for _ in range(2)]
        assert tasks == [2, 0]

    check(stores, story)


def test_two_recovers_of_the_same_range_add_one_round(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        await begin(world, endpoint, task="qtask_1")
        await begin(world, endpoint, task="qtask_2")
        await finish(world)
        assert await rounds(world, endpoint) == {message.id: [0, 1]}

    check(stores, story)


def test_what_failed_again_is_recovered_again(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        (message,) = await failed(world, endpoint)
        for task in ("qtask_1", "qtask_2"):
            await begin(world, endpoint, task=task)
            await finish(world)
            await world.attempt(message, endpoint, State.FAIL)
        assert await rounds(world, endpoint) == {message.id: [0, 1, 2]}

    check(stores, story)


def test_a_task_for_what_is_not_there_is_refused(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        with pytest.raises(NotFound):
            await begin(world, endpoint)

    check(stores, story)


def test_a_task_fails_when_its_endpoint_is_deleted(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 3)
        await begin(world, endpoint)
        await carry_on(world, limit=1)
        await world.store.write(DeleteEndpoint(application=world.app, ref=endpoint.id, now=world.now))
        assert await carry_on(world, limit=1) == []
        assert await world.store.read(NextSlice()) is None
        ended = await found(world)
        assert (ended.state, ended.problem) == (TaskState.FAILED, "the endpoint was deleted")

    check(stores, story)


def test_a_task_tells_how_far_it_is(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        messages = await failed(world, endpoint, 2)
        (delivered,) = [await world.message(endpoint)]
        await world.attempt(delivered, endpoint, State.SUCCESS)
        begun = await begin(world, endpoint)
        assert (begun.state, begun.looked, begun.done, begun.total) == (TaskState.RUNNING, 0, 0, 3)
        await carry_on(world, limit=1)
        half = await found(world)
        assert (half.looked, half.done, half.total) == (1, 1, 3)
        assert messages[0].id < half.mark <= messages[1].id
        await finish(world)
        whole = await found(world)
        assert (whole.state, whole.looked, whole.done, whole.total) == (TaskState.FINISHED, 3, 2, 3)

    check(stores, story)


def test_no_more_is_added_than_the_rate_allows_whenever_it_is_asked(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 60)
        world.now = NOW + 100_000
        await begin(world, endpoint, rate=10)
        added = []
        for second in range(5):
            for _ in range(3):
                await world.store.write(ContinueTasks(now=world.now + second * 1000, limit=100, rate=RATE))
            added.append((await found(world)).done)
        assert added == [20, 20, 40, 40, 60]

    check(stores, story)


def test_a_task_that_was_kept_from_its_work_makes_up_for_a_moment_only(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 80)
        await begin(world, endpoint, rate=10)
        world.now += 3_600_000
        for _ in range(4):
            await world.store.write(ContinueTasks(now=world.now, limit=100, rate=RATE))
        assert (await found(world)).done == 40

    check(stores, story)


def test_a_task_waits_while_enough_waits_for_its_endpoint_already(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 1)
        waiting = [await world.message(endpoint) for _ in range(AHEAD_SECONDS)]
        await begin(world, endpoint, rate=1)
        assert await carry_on(world) == []
        assert await world.store.read(NextSlice()) == world.now + WAIT_MS
        for message in waiting:
            await world.attempt(message, endpoint, State.SUCCESS)
        world.now += WAIT_MS
        assert await carry_on(world) == [endpoint.id]

    check(stores, story)


def test_what_is_tried_later_keeps_no_task_waiting(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 1)
        for _ in range(AHEAD_SECONDS):
            await world.attempt(await world.message(endpoint), endpoint, State.PENDING, due_at=world.now + 3_600_000)
        await begin(world, endpoint, rate=1)
        assert await carry_on(world) == [endpoint.id]

    check(stores, story)


def test_the_next_slice_is_that_of_the_task_that_waits_the_shortest(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        assert await world.store.read(NextSlice()) is None
        endpoint = await world.endpoint()
        await failed(world, endpoint, 4)
        await begin(world, endpoint, task="qtask_1", rate=1)
        assert await world.store.read(NextSlice()) == world.now
        await carry_on(world)
        later = await world.store.read(NextSlice())
        assert later is not None and later > world.now
        await begin(world, endpoint, task="qtask_2")
        assert await world.store.read(NextSlice()) == world.now

    check(stores, story)


def test_a_canceled_task_goes_no_further_and_what_it_added_stays(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 3)
        await begin(world, endpoint)
        await carry_on(world, limit=1)
        canceled = await world.store.write(CancelTask(organization=ORG, task="qtask_1", now=world.now))
        assert (canceled.state, canceled.done) == (TaskState.CANCELED, 1)
        assert await world.store.read(NextSlice()) is None
        assert await carry_on(world) == []
        assert list((await rounds(world, endpoint)).values()) == [[0, 1], [0], [0]]

    check(stores, story)


def test_canceling_what_has_ended_changes_nothing(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await begin(world, endpoint)
        await finish(world)
        before = await found(world)
        assert await world.store.write(CancelTask(organization=ORG, task="qtask_1", now=world.now + 9)) == before

    check(stores, story)


def test_an_endpoint_has_so_many_running_tasks_at_most(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint, other = await world.endpoint(), await world.endpoint()
        for number in range(10):
            await begin(world, endpoint, task=f"qtask_{number}")
        with pytest.raises(BadRequest) as refused:
            await begin(world, endpoint, task="one too many")
        assert refused.value.code == "limit_reached"
        await begin(world, other, task="another")
        await world.store.write(CancelTask(organization=ORG, task="qtask_3", now=world.now))
        await begin(world, endpoint, task="in its place")

    check(stores, story)


def test_tasks_of_another_organization_or_application_are_not_there(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        task = await begin(world, endpoint)
        others: tuple[dict[str, Any], ...] = ({"organization": "org_other"}, {"organization": ORG, "application": "app_other"})
        for of in others:
            assert await world.store.read(FindTask(task=task.id, **of)) is None
            assert (await world.store.read(ListTasks(page=PageRequest(), **of))).data == []
            with pytest.raises(NotFound):
                await world.store.write(CancelTask(task=task.id, now=world.now, **of))
        assert await world.store.read(FindTask(organization=ORG, application=world.app, task=task.id)) == task

    check(stores, story)


def test_tasks_are_listed_by_kind_and_state_in_both_orders(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        for task, kind in (("qtask_1", Kind.RECOVER), ("qtask_2", Kind.MISSING), ("qtask_3", Kind.BULK)):
            await begin(world, endpoint, kind, task=task)
        await world.store.write(CancelTask(organization=ORG, task="qtask_2", now=world.now))

        async def listed(page: PageRequest = FIRST, **narrowed: Any) -> list[str]:
            query = ListTasks(organization=ORG, page=page, **narrowed)
            return [task.id for task in (await world.store.read(query)).data]

        assert await listed() == ["qtask_3", "qtask_2", "qtask_1"]
        assert await listed(PageRequest(limit=2, order="ascending")) == ["qtask_1", "qtask_2"]
        assert await listed(PageRequest(cursor="qtask_2")) == ["qtask_1"]
        assert await listed(kind="endpoint.replay") == ["qtask_2"]
        assert await listed(states=frozenset({TaskState.RUNNING})) == ["qtask_3", "qtask_1"]
        assert await listed(kind="application.stats") == []
        assert await listed(application=world.app, states=frozenset({TaskState.CANCELED, TaskState.FAILED})) == ["qtask_2"]

    check(stores, story)


def test_a_task_that_cannot_be_read_fails_and_keeps_no_other_from_going_on(stores: OpenStore, change: Callable[[str], None]) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint)
        await begin(world, endpoint, task="qtask_1")
        await begin(world, endpoint, task="qtask_2")
        change("update tasks set request = 'nothing that could be read' where id = 'qtask_1'")
        assert await carry_on(world) == [endpoint.id]
        assert await world.store.read(NextSlice()) is None
        change("update tasks set request = '{\"since\": 0, \"until\": 1}' where id = 'qtask_1'")
        damaged = await found(world)
        assert (damaged.state, (damaged.problem or "")[:8]) == (TaskState.FAILED, "request:")

    check(stores, story)


def test_a_recover_that_an_earlier_release_began_is_carried_on_from_its_mark(stores: OpenStore, change: Callable[[str], None]) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        done, *left = await failed(world, endpoint, 3)
        change(old_recover(world, endpoint, f"{done.id}0"))
        assert await world.store.read(NextSlice()) == 0
        await finish(world)
        assert await rounds(world, endpoint) == {done.id: [0]} | {message.id: [0, 1] for message in left}
        task = await found(world, "qtask_old")
        assert (task.state, task.kind, task.done, task.organization) == (TaskState.FINISHED, Kind.RECOVER, 2, ORG)

    check(stores, story)


def test_a_recover_whose_application_is_gone_is_let_go(stores: OpenStore, change: Callable[[str], None]) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        change(old_recover(world, endpoint, f"msg_{floor(NOW)}").replace(world.app, "app_gone"))
        await carry_on(world)
        assert await world.store.read(NextSlice()) is None

    check(stores, story)


def old_recover(world: World, endpoint: Endpoint, mark: str) -> str:
    return (
        "insert into recovers (id, application, endpoint, after, until, created_at) values "
        f"('qtask_old', '{world.app}', '{endpoint.id}', '{mark}', 'msg_{floor(NOW + 3_600_000)}', {NOW})"
    )


def test_several_who_carry_on_one_task_at_once_add_each_round_once_and_keep_to_its_rate(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 30)
        await begin(world, endpoint, rate=5)
        for second in (2, 4, 6):
            await asyncio.gather(*(world.store.write(ContinueTasks(now=world.now, limit=100, rate=RATE)) for _ in range(4)))
            assert (await found(world)).done == 5 * second
            world.now += 2000
        await finish(world)
        assert list((await rounds(world, endpoint)).values()) == [[0, 1]] * 30

    check(stores, story)


def test_a_task_that_is_canceled_while_others_carry_it_on_adds_nothing_after_the_answer(stores: OpenStore) -> None:
    async def story(world: World) -> None:
        endpoint = await world.endpoint()
        await failed(world, endpoint, 20)
        await begin(world, endpoint)
        slices = [world.store.write(ContinueTasks(now=world.now, limit=2, rate=RATE)) for _ in range(4)]
        carrying = asyncio.gather(*slices)
        canceled = await world.store.write(CancelTask(organization=ORG, task="qtask_1", now=world.now))
        await carrying
        assert canceled.state is TaskState.CANCELED
        assert await found(world) == canceled
        assert await carry_on(world) == []
        assert await world.under_way() == canceled.done

    check(stores, story)
