"""Polling endpoints as the official SDK reads them, and filters, which it does not know, beside it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from svix.api import (
    EventTypeIn,
    MessagePollerConsumerPollOptions,
    MessagePollerPollOptions,
    Svix,
)
from svix.exceptions import HttpError
from svix.models import EndpointUpsertIn, PollingEndpointConsumerSeekIn, PollingEndpointMessageOut

from tests.e2e.journeys import APP, Tenant, send
from tests.harness import Receiver


def own(tenant: Tenant, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What only this server knows is asked for without the SDK."""
    answer = httpx.post(f"{tenant.url}/api/v1{path}", json=body, headers={"authorization": f"Bearer {tenant.token}"}, timeout=30)
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
def poller(tenant: Tenant) -> str:
    return str(own(tenant, f"/app/{APP}/endpoint", {"type": "poller", "uid": "poller"})["id"])


def test_a_poller_is_read_to_its_end_and_from_there_on(client: Svix, poller: str) -> None:
    options = MessagePollerPollOptions(limit=2)
    begun = client.message.poller.poll(APP, "poller", options)
    assert (begun.data, begun.done) == ([], True)
    sent = [send(client, payload={"n": n}, event_id=f"e{n}", channels=["c"]) for n in range(5)]
    read: list[PollingEndpointMessageOut] = []
    done, iterator = False, begun.iterator
    while not done:
        page = client.message.poller.poll(APP, "poller", MessagePollerPollOptions(limit=2, iterator=iterator))
        read, done, iterator = read + page.data, page.done, page.iterator
    assert [(one.id, one.event_id, one.payload, one.channels) for one in read] == [
        (one.id, f"e{n}", {"n": n}, ["c"]) for n, one in enumerate(sent)
    ]
    assert read[0].timestamp == sent[0].timestamp
    late = send(client)
    assert [one.id for one in client.message.poller.poll(APP, poller, MessagePollerPollOptions(iterator=iterator)).data] == [late.id]


def test_a_poll_can_ask_for_an_event_type_a_channel_and_a_time(client: Svix, poller: str) -> None:
    plain, other, there = send(client, "a"), send(client, "b"), send(client, "a", channels=["eu"])

    def ids(**options: Any) -> list[str]:
        return [one.id for one in client.message.poller.poll(APP, poller, MessagePollerPollOptions(**options)).data]

    assert ids() == [plain.id, other.id, there.id]
    assert ids(event_type="a") == [plain.id, there.id]
    assert ids(channel="eu") == [there.id]
    assert ids(after=datetime.now(UTC) + timedelta(hours=1)) == []
    assert ids(after=datetime.now(UTC) - timedelta(hours=1)) == ids()


def test_a_poller_has_the_filters_of_an_endpoint(tenant: Tenant, client: Svix) -> None:
    client.event_type.create(EventTypeIn(name="order.paid", description=""))
    body = {"type": "poller", "uid": "big", "eventTypes": ["order.paid"], "channels": ["eu"], "filter": {"amount": {"$gt": 100}}}
    own(tenant, f"/app/{APP}/endpoint", body)
    wanted = send(client, "order.paid", {"amount": 101}, channels=["eu", "us"])
    send(client, "order.paid", {"amount": 100}, channels=["eu"])
    send(client, "order.paid", {"amount": 101}, channels=["us"])
    send(client, "order.made", {"amount": 101}, channels=["eu"])
    assert [one.id for one in client.message.poller.poll(APP, "big").data] == [wanted.id]


def test_a_consumer_acknowledges_by_its_next_poll(client: Svix, poller: str) -> None:
    sent = [send(client).id for _ in range(3)]

    def ids(consumer: str = "backup", **options: Any) -> tuple[list[str], str]:
        page = client.message.poller.consumer_poll(APP, poller, consumer, MessagePollerConsumerPollOptions(limit=2, **options))
        return [one.id for one in page.data], page.iterator

    first, iterator = ids()
    assert first == sent[:2]
    assert ids() == (first, iterator), "an answer that was lost is given again"
    assert ids(iterator=iterator)[0] == sent[2:]
    assert ids()[0] == sent[2:]
    assert ids("another")[0] == sent[:2]


def test_a_consumer_seeks_a_time(client: Svix, poller: str) -> None:
    sent = [send(client).id for _ in range(3)]
    end = client.message.poller.consumer_poll(APP, poller, "c").iterator
    options = MessagePollerConsumerPollOptions(iterator=end)
    assert client.message.poller.consumer_poll(APP, poller, "c", options).data == []
    ago = PollingEndpointConsumerSeekIn(after=datetime.now(UTC) - timedelta(hours=1))
    sought = client.message.poller.consumer_seek(APP, poller, "c", ago)
    assert [one.id for one in client.message.poller.consumer_poll(APP, poller, "c").data] == sent
    polled = client.message.poller.poll(APP, poller, MessagePollerPollOptions(iterator=sought.iterator))
    assert [one.id for one in polled.data] == sent


def test_a_poller_stands_among_the_endpoints_and_is_never_sent_to(client: Svix, poller: str) -> None:
    shown = client.endpoint.get(APP, "poller")
    assert (shown.id, shown.url) == (poller, "")
    assert client.endpoint.list(APP).data == [shown]
    assert client.endpoint.upsert(APP, "poller", EndpointUpsertIn(url="", uid="poller", description="d")).description == "d"
    message = send(client)
    assert client.message_attempt.list_attempted_destinations(APP, message.id).data == []
    with pytest.raises(HttpError) as refused:
        client.message_attempt.resend(APP, message.id, poller)
    assert (refused.value.status_code, refused.value.code) == (400, "poller")


def test_an_endpoint_gets_only_what_passes_its_filter_and_a_test_says_why(tenant: Tenant, client: Svix, receiver: Receiver) -> None:
    filter = {"order": {"amount": {"$gte": 1000}, "country": {"$in": ["DE", "FR"]}}}
    made = own(tenant, f"/app/{APP}/endpoint", {"url": receiver.url, "filter": filter})
    tried = own(tenant, f"/app/{APP}/endpoint/{made['id']}/filter/test", {"payload": {"order": {"amount": 10, "country": "FR"}}})
    assert tried["matches"] is False
    assert [(one["path"], one["wanted"], one["found"], one["matches"]) for one in tried["reasons"]] == [
        ("order.amount", "1000", "10", False),
        ("order.country", '["DE", "FR"]', '"FR"', True),
    ]
    send(client, payload={"order": {"amount": 10, "country": "FR"}})
    wanted = send(client, payload={"order": {"amount": 1000, "country": "FR"}})
    receiver.wait_for(1)
    assert client.endpoint.get_stats(APP, made["id"]).fail == 0
    assert [request.header("webhook-id") for request in receiver.requests] == [wanted.id]
