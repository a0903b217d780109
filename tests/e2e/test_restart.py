"""What a graceful stop and a new start keep: everything."""

from pathlib import Path

from svix.api import ApplicationIn, EndpointPatch, EventTypeIn, MessageGetOptions, Svix, SvixOptions

from tests.e2e.journeys import APP, answering, endpoint, send, verify
from tests.harness import Receiver, org_token, running_server
from tests.waiting import eventually


def connect(url: str) -> Svix:
    return Svix(org_token(), SvixOptions(server_url=url))


def test_a_stop_and_a_start_lose_nothing(tmp_path: Path, receiver: Receiver) -> None:
    with running_server(tmp_path) as server:
        client = connect(server.url)
        client.application.create(ApplicationIn(name="Acme", uid=APP, metadata={"plan": "paid"}))
        client.event_type.create(EventTypeIn(name="invoice.paid", description="Paid"))
        held = endpoint(client, receiver.url, uid="held", event_types=["invoice.paid"], headers={"X-Key": "k"}, disabled=True)
        done = endpoint(client, f"{receiver.url}/done", uid="done")
        message = send(client, "invoice.paid", {"n": 1}, event_id="event")
        eventually(lambda: client.endpoint.get_stats(APP, done.id).success == 1)
        secret = client.endpoint.get_secret(APP, held.id).key
        attempts = client.message_attempt.list_by_msg(APP, message.id).data
        before = (client.application.get(APP), client.event_type.list().data, client.endpoint.list(APP).data)
    with running_server(tmp_path) as server:
        client = connect(server.url)
        assert (client.application.get(APP), client.event_type.list().data, client.endpoint.list(APP).data) == before
        assert client.message.get(APP, "event", MessageGetOptions(with_content=True)).payload == {"n": 1}
        assert client.message_attempt.list_by_msg(APP, message.id).data == attempts
        assert client.endpoint.get_stats(APP, done.id).success == 1
        assert client.endpoint.get_secret(APP, held.id).key == secret
        client.endpoint.patch(APP, "held", EndpointPatch(disabled=False))
        request = receiver.wait_for(2)[1]
    assert (request.path, request.header("webhook-id"), request.header("x-key")) == ("/hook", message.id, "k")
    verify(request, secret)


def test_a_retry_that_falls_due_while_the_server_is_down_is_made_after_the_start(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = answering(500)
    with running_server(tmp_path, retry_schedule="1", retry_jitter=0) as server:
        client = connect(server.url)
        client.application.create(ApplicationIn(name="Acme", uid=APP))
        made = endpoint(client, receiver.url)
        message = send(client)
        eventually(lambda: len(client.message_attempt.list_by_msg(APP, message.id).data) == 1)
    receiver.answer = answering(200)
    with running_server(tmp_path, retry_schedule="1", retry_jitter=0) as server:
        client = connect(server.url)
        eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    assert [request.header("webhook-id") for request in receiver.requests] == [message.id, message.id]
