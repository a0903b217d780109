"""Sending many messages again by the SDK, and watching how far that is."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from svix.api import (
    BackgroundTaskListOptions,
    BulkReplayIn,
    EndpointPatch,
    MessageStatus,
    Ordering,
    RecoverIn,
    ReplayIn,
    Svix,
)
from svix.exceptions import HttpError
from svix.models import BackgroundTaskOut, BackgroundTaskStatus, BackgroundTaskType, StatusCodeClass

from tests.e2e.journeys import APP, Tenant, answering, endpoint, send
from tests.harness import Receiver, org_token
from tests.waiting import eventually


def since() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def finished(client: Svix, task: str) -> BackgroundTaskOut:
    eventually(lambda: client.background_task.get(task).status != BackgroundTaskStatus.RUNNING)
    return client.background_task.get(task)


def test_a_bulk_replay_sends_delivered_and_failed_messages_again(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    wanted = [send(client).id for _ in range(2)]
    send(client, "another.type")
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 3)
    receiver.answer = answering(404)
    wanted.append(send(client).id)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 1)
    receiver.answer = answering(200)
    before = len(receiver.requests)
    task = client.endpoint.bulk_replay(APP, made.id, BulkReplayIn(since=since(), event_types=["invoice.paid"]))
    assert (task.status, task.task) == (BackgroundTaskStatus.RUNNING, BackgroundTaskType.ENDPOINT_BULK_REPLAY)
    done = finished(client, task.id)
    assert (done.id, done.status, done.data["messagesSent"], done.data["looked"], done.data["total"]) == (
        task.id, BackgroundTaskStatus.FINISHED, 3, 4, 4,
    )  # fmt: skip
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 4)
    receiver.wait_for(before + 3)
    assert {request.header("webhook-id") for request in receiver.requests[before:]} == set(wanted)


def test_a_bulk_replay_by_status_and_class_of_answer(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(200, 404)
    made = endpoint(client, receiver.url)
    send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    failed = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 1)
    receiver.answer = answering(200)
    before = len(receiver.requests)
    wanted = BulkReplayIn(
        since=since(), until=datetime.now(UTC) + timedelta(seconds=1), status=MessageStatus.FAIL, status_code_class=StatusCodeClass.CODE4XX
    )
    assert finished(client, client.endpoint.bulk_replay(APP, made.id, wanted).id).data["messagesSent"] == 1
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 2)
    assert {request.header("webhook-id") for request in receiver.requests[before:]} == {failed.id}


def test_a_new_endpoint_gets_what_it_missed(client: Svix, receiver: Receiver) -> None:
    missed = [send(client, "invoice.paid").id, send(client, "invoice.paid", channels=["west"]).id]
    send(client, "another.type")
    made = endpoint(client, receiver.url, channels=["west"])
    task = client.endpoint.replay_missing(APP, made.id, ReplayIn(since=since()))
    assert task.task == BackgroundTaskType.ENDPOINT_REPLAY
    assert finished(client, task.id).data["messagesSent"] == 1
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    assert [request.header("webhook-id") for request in receiver.requests] == missed[1:]


def test_background_tasks_are_listed_by_status_and_kind_page_by_page(tenant: Tenant, receiver: Receiver) -> None:
    client = tenant.client
    made = endpoint(client, receiver.url)
    tasks = [
        client.endpoint.recover(APP, made.id, RecoverIn(since=since())).id,
        client.endpoint.replay_missing(APP, made.id, ReplayIn(since=since())).id,
        client.endpoint.bulk_replay(APP, made.id, BulkReplayIn(since=since())).id,
    ]
    for task in tasks:
        assert finished(client, task).status == BackgroundTaskStatus.FINISHED
    first = client.background_task.list(BackgroundTaskListOptions(limit=2, order=Ordering.ASCENDING))
    assert ([one.id for one in first.data], first.done) == (tasks[:2], False)
    rest = client.background_task.list(BackgroundTaskListOptions(limit=2, order=Ordering.ASCENDING, iterator=first.iterator))
    assert ([one.id for one in rest.data], rest.done) == (tasks[2:], True)

    def listed(**options: object) -> list[str]:
        return [one.id for one in client.background_task.list(BackgroundTaskListOptions(**options)).data]  # type: ignore[arg-type]

    assert listed(task=BackgroundTaskType.ENDPOINT_RECOVER) == tasks[:1]
    assert listed(status=BackgroundTaskStatus.FINISHED) == tasks[::-1]
    assert listed(status=BackgroundTaskStatus.RUNNING) == listed(task=BackgroundTaskType.SDK_GENERATE) == []


def test_another_tenants_task_is_not_found(tenant: Tenant, receiver: Receiver) -> None:
    made = endpoint(tenant.client, receiver.url)
    task = tenant.client.endpoint.recover(APP, made.id, RecoverIn(since=since())).id
    stranger = tenant.as_bearer(org_token("org_ofsomebodyelseentirely1"))
    with pytest.raises(HttpError) as refused:
        stranger.background_task.get(task)
    assert refused.value.status_code == 404


def test_what_a_disabled_endpoint_held_is_not_sent_twice_by_a_replay(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url, disabled=True)
    held = [send(client).id for _ in range(3)]
    done = finished(client, client.endpoint.bulk_replay(APP, made.id, BulkReplayIn(since=since())).id)
    assert done.data["messagesSent"] == 0
    client.endpoint.patch(APP, made.id, EndpointPatch(disabled=False))
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 3)
    assert sorted(request.header("webhook-id") or "" for request in receiver.requests) == sorted(held)


def test_what_a_receiver_lost_and_what_a_new_one_missed_are_sent_by_tasks_that_can_be_watched(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, f"{receiver.url}/lost")
    messages = [send(client).id for _ in range(3)]
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 3)
    late = endpoint(client, f"{receiver.url}/late")
    bulk = client.endpoint.bulk_replay(APP, made.id, BulkReplayIn(since=since(), status=MessageStatus.SUCCESS))
    missing = client.endpoint.replay_missing(APP, late.id, ReplayIn(since=since()))
    assert [task.id for task in client.background_task.list().data] == [missing.id, bulk.id]
    ended = [finished(client, task.id) for task in (bulk, missing)]
    assert [(task.task, task.status, task.data["messagesSent"], task.data["looked"], task.data["total"]) for task in ended] == [
        (BackgroundTaskType.ENDPOINT_BULK_REPLAY, BackgroundTaskStatus.FINISHED, 3, 3, 3),
        (BackgroundTaskType.ENDPOINT_REPLAY, BackgroundTaskStatus.FINISHED, 3, 3, 3),
    ]
    eventually(lambda: client.endpoint.get_stats(APP, late.id).success == 3)
    arrived = Counter((request.path.rpartition("/")[2], request.header("webhook-id")) for request in receiver.wait_for(9))
    assert arrived == {("lost", message): 2 for message in messages} | {("late", message): 1 for message in messages}
