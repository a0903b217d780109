"""What becomes of a message: tried again, held, resent, recovered; and what the API says of it meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

from svix.api import (
    EndpointGetStatsOptions,
    EndpointPatch,
    EventExampleIn,
    EventTypeIn,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
    RecoverIn,
    Svix,
)
from svix.models import MessageAttemptOut, MessageAttemptTriggerType, MessageStatus, StatusCodeClass

from tests.e2e.journeys import APP, answering, endpoint, send, settled, verify
from tests.harness import Receiver
from tests.waiting import eventually


def test_a_failing_receiver_is_tried_again_until_it_succeeds(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(500, 503, 200)
    made = endpoint(client, receiver.url)
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    assert {request.header("webhook-id") for request in receiver.requests} == {message.id}
    assert len({request.body for request in receiver.requests}) == 1
    secret = client.endpoint.get_secret(APP, made.id).key
    for request in receiver.requests:
        verify(request, secret)
    listed = client.message_attempt.list_by_msg(APP, message.id, MessageAttemptListByMsgOptions(with_content=True)).data
    assert [attempt.response_status_code for attempt in listed] == [200, 503, 500], "newest first"
    assert [attempt.status for attempt in listed] == [MessageStatus.SUCCESS, MessageStatus.FAIL, MessageStatus.FAIL]
    assert {attempt.response for attempt in listed} == {"said the receiver"}
    assert [attempt.timestamp for attempt in listed] == sorted((attempt.timestamp for attempt in listed), reverse=True)


def test_attempts_are_listed_by_status_and_by_class_of_answer(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(404, 200)
    made = endpoint(client, receiver.url)
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)

    def listed(**options: Any) -> list[MessageAttemptOut]:
        return client.message_attempt.list_by_endpoint(APP, made.id, MessageAttemptListByEndpointOptions(**options)).data

    def codes(**options: Any) -> list[int]:
        return [attempt.response_status_code for attempt in listed(**options)]

    # An attempt that came to nothing says why: where the others would be wrong too, this tells the reason.
    assert [(attempt.response_status_code, attempt.response) for attempt in listed(with_content=True)] == [
        (200, "said the receiver"), (404, "said the receiver"),
    ]  # fmt: skip
    assert codes(status=MessageStatus.FAIL) == [404]
    assert codes(status_code_class=StatusCodeClass.CODE2XX) == [200]
    assert codes(event_types=["another.type"]) == []
    one = listed()[0]
    assert client.message_attempt.get(APP, message.id, one.id).id == one.id


def test_what_is_never_accepted_is_given_up_when_the_schedule_is_over(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(500)
    made = endpoint(client, receiver.url)
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 1)
    assert len(receiver.requests) == 6, "one attempt and five retries"
    assert client.message_attempt.list_attempted_messages(APP, made.id).data[0].status == MessageStatus.FAIL
    destination = client.message_attempt.list_attempted_destinations(APP, message.id).data[0]
    assert (destination.id, destination.status, destination.next_attempt) == (made.id, MessageStatus.FAIL, None)


def test_a_410_disables_the_endpoint_and_what_is_held_arrives_after_enabling(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(410, 200)
    made = endpoint(client, receiver.url)
    first = send(client, payload={"n": 1})
    eventually(lambda: client.endpoint.get(APP, made.id).disabled is True)
    second = send(client, payload={"n": 2})
    assert client.endpoint.get_stats(APP, made.id).pending == 2
    assert len(receiver.requests) == 1
    client.endpoint.patch(APP, made.id, EndpointPatch(disabled=False))
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 2)
    assert {request.header("webhook-id") for request in receiver.requests[1:]} == {first.id, second.id}


def test_an_endpoint_disabled_by_hand_gets_its_messages_after_enabling(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url, disabled=True)
    message = send(client)
    listed = client.message_attempt.list_attempted_messages(APP, made.id).data
    assert [(one.id, one.status) for one in listed] == [(message.id, MessageStatus.PENDING)]
    client.endpoint.patch(APP, made.id, EndpointPatch(disabled=False))
    receiver.wait_for(1)
    eventually(lambda: settled(client, made.id))
    assert [request.header("webhook-id") for request in receiver.requests] == [message.id]


def test_a_resend_is_one_more_attempt_also_after_success(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    client.message_attempt.resend(APP, message.id, made.id)
    eventually(lambda: len(client.message_attempt.list_by_msg(APP, message.id).data) == 2)
    newest, oldest = client.message_attempt.list_by_msg(APP, message.id).data
    assert (newest.trigger_type, oldest.trigger_type) == (MessageAttemptTriggerType.MANUAL, MessageAttemptTriggerType.SCHEDULED)
    assert len(receiver.requests) == 2


def test_a_resend_that_fails_does_not_disturb_the_schedule(client: Svix, receiver: Receiver) -> None:
    """While the first answer is awaited a resend is asked for; both fail, and the schedule still goes its whole way."""
    receiver.answer = answering(500)
    made = endpoint(client, receiver.url)
    message = send(client)
    client.message_attempt.resend(APP, message.id, made.id)

    def triggers() -> list[int]:
        return sorted(attempt.trigger_type.value for attempt in client.message_attempt.list_by_msg(APP, message.id).data)

    eventually(lambda: triggers() == [0] * 6 + [1])
    eventually(lambda: settled(client, made.id))
    assert len(receiver.requests) == 7


def test_recover_sends_again_what_failed_since_a_time_and_nothing_else(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(200)
    made = endpoint(client, receiver.url)
    delivered = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    receiver.answer = answering(500)
    failed = [send(client, payload={"n": n}).id for n in range(3)]
    eventually(lambda: client.endpoint.get_stats(APP, made.id).fail == 3)
    before = len(receiver.requests)
    receiver.answer = answering(200)
    task = client.endpoint.recover(APP, made.id, RecoverIn(since=datetime.now(UTC) - timedelta(hours=1)))
    assert task.id.startswith("qtask_")
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 4)
    again = [request.header("webhook-id") for request in receiver.requests[before:]]
    assert sorted(filter(None, again)) == sorted(failed)
    assert delivered.id not in again


def test_an_example_of_an_event_type_goes_to_one_endpoint(client: Svix, receiver: Receiver) -> None:
    schema = {"1": {"type": "object", "examples": [{"id": "in_1"}, {"id": "in_2"}]}}
    client.event_type.create(EventTypeIn(name="invoice.paid", description="An invoice was paid", schemas=schema))
    chosen = endpoint(client, receiver.url)
    other = endpoint(client, f"{receiver.url}/other")
    sent = client.endpoint.send_example(APP, chosen.id, EventExampleIn(event_type="invoice.paid", example_index=1))
    (request,) = receiver.wait_for(1)
    assert (request.header("webhook-id"), request.body) == (sent.id, b'{"id":"in_2"}')
    eventually(lambda: client.endpoint.get_stats(APP, chosen.id).success == 1)
    assert client.endpoint.get_stats(APP, other.id).success == 0


def test_stats_count_messages_by_status_within_the_times_asked_for(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    for _ in range(3):
        send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 3)
    past = EndpointGetStatsOptions(since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2020, 2, 1, tzinfo=UTC))
    stats = client.endpoint.get_stats(APP, made.id, past)
    assert (stats.success, stats.fail, stats.pending, stats.sending, stats.canceled) == (0, 0, 0, 0, 0)


def test_the_response_of_an_attempt_can_be_expunged(client: Svix, receiver: Receiver) -> None:
    receiver.answer = answering(200)
    made = endpoint(client, receiver.url)
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    (attempt,) = client.message_attempt.list_by_msg(APP, message.id).data
    assert client.message_attempt.get(APP, message.id, attempt.id).response == "said the receiver"
    client.message_attempt.expunge_content(APP, message.id, attempt.id)
    assert client.message_attempt.get(APP, message.id, attempt.id).response == "EXPUNGED"
