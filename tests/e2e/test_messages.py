"""Messages as the official SDK makes, lists and clears them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from svix.api import (
    ApplicationIn,
    MessageCreateOptions,
    MessageGetOptions,
    MessageIn,
    MessageListOptions,
    Svix,
    SvixAsync,
    SvixOptions,
)
from svix.exceptions import HttpError, HTTPValidationError

from tests.e2e.journeys import APP, Tenant, endpoint, passing_on, send
from tests.harness import Receiver
from tests.waiting import eventually


def test_a_message_is_found_by_its_id_and_by_its_event_id(client: Svix) -> None:
    made = send(client, payload={"n": 1}, event_id="evt-1", channels=["eu"])
    found = client.message.get(APP, "evt-1", MessageGetOptions(with_content=True))
    assert (found.id, found.payload, found.channels, found.event_id) == (made.id, {"n": 1}, ["eu"], "evt-1")
    assert client.message.get(APP, made.id).payload == {}


def test_an_event_id_is_taken_once(client: Svix) -> None:
    send(client, event_id="evt-1")
    with pytest.raises(HttpError) as refused:
        send(client, event_id="evt-1")
    assert refused.value.status_code == 409


def test_messages_are_listed_by_channel_type_and_time(client: Svix) -> None:
    first, second = send(client, "a", channels=["eu"]), send(client, "b")

    def ids(**options: Any) -> list[str]:
        return [message.id for message in client.message.list(APP, MessageListOptions(**options)).data]

    assert ids() == [second.id, first.id], "newest first"
    assert ids(channel="eu") == [first.id]
    assert ids(event_types=["b", "c"]) == [second.id]
    assert ids(before=datetime.now(UTC) - timedelta(days=1)) == []
    assert ids(after=datetime.now(UTC) - timedelta(days=1)) == [second.id, first.id]


def test_an_application_is_made_by_its_first_message(client: Svix) -> None:
    message = MessageIn(event_type="a", payload={}, application=ApplicationIn(name="Newcomer", uid="newcomer"))
    made = client.message.create("newcomer", message)
    assert client.application.get("newcomer").name == "Newcomer"
    assert client.message.get("newcomer", made.id).id == made.id


def test_the_same_idempotency_key_makes_one_message(client: Svix) -> None:
    options = MessageCreateOptions(idempotency_key="once")
    message = MessageIn(event_type="a", payload={"n": 1})
    first = client.message.create(APP, message, options)
    assert client.message.create(APP, message, options) == first
    assert [one.id for one in client.message.list(APP).data] == [first.id]


def test_an_idempotency_key_with_another_body_is_refused(client: Svix) -> None:
    options = MessageCreateOptions(idempotency_key="once")
    client.message.create(APP, MessageIn(event_type="a", payload={"n": 1}), options)
    with pytest.raises(HTTPValidationError):
        client.message.create(APP, MessageIn(event_type="a", payload={"n": 2}), options)


def test_a_client_that_repeats_itself_after_a_lost_answer_makes_one_message(tenant: Tenant) -> None:
    """The SDK's automatic key is the same for every try of one call; the first answer is turned into a 502 on its way."""
    tries = 0
    through = passing_on(tenant.url)

    async def losing_the_first(request):  # type: ignore[no-untyped-def]
        nonlocal tries
        answer = await through(request)
        tries += 1
        if tries == 1:
            answer.set_status(502)
        return answer

    with Receiver(losing_the_first) as proxy:
        made = Svix(tenant.token, SvixOptions(server_url=f"http://127.0.0.1:{proxy.port}")).message.create(
            APP, MessageIn(event_type="a", payload={})
        )
    assert tries == 2
    assert [one.id for one in tenant.client.message.list(APP).data] == [made.id]


def test_an_expunged_message_is_kept_without_its_payload_and_cannot_be_resent(client: Svix, receiver: Receiver) -> None:
    made = endpoint(client, receiver.url)
    message = send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    client.message.expunge_content(APP, message.id)
    assert client.message.get(APP, message.id, MessageGetOptions(with_content=True)).payload == {"expired": True}
    with pytest.raises(HttpError) as refused:
        client.message_attempt.resend(APP, message.id, made.id)
    assert (refused.value.status_code, refused.value.code) == (400, "missing_payload")


@pytest.mark.parametrize("limit", [7, 50, 250])
def test_a_hundred_and_twenty_messages_are_read_forwards_and_back(client: Svix, limit: int) -> None:
    made = [send(client, payload={"n": n}).id for n in range(120)][::-1]
    forwards, options = [], MessageListOptions(limit=limit)
    while True:
        page = client.message.list(APP, options)
        forwards.append(page)
        if page.done:
            break
        options = MessageListOptions(limit=limit, iterator=page.iterator)
    assert [one.id for page in forwards for one in page.data] == made
    back = list(reversed(forwards[-1].data))
    while len(back) < len(made):
        page = client.message.list(APP, MessageListOptions(limit=limit, iterator=f"-{back[-1].id}"))
        assert page.data, "there is a page before"
        back += reversed(page.data)
    assert [one.id for one in back] == made[::-1]


def test_the_asynchronous_client_sees_the_same(tenant: Tenant) -> None:
    async def journey() -> tuple[str, dict[str, object]]:
        client = SvixAsync(tenant.token, SvixOptions(server_url=tenant.url))
        made = await client.message.create(APP, MessageIn(event_type="a", payload={"n": 1}))
        found = await client.message.get(APP, made.id, MessageGetOptions(with_content=True))
        return found.id, found.payload

    ident, payload = asyncio.run(journey())
    assert payload == {"n": 1}
    assert tenant.client.message.get(APP, ident).id == ident


def test_the_older_paths_of_attempts_still_lead_there(tenant: Tenant, receiver: Receiver) -> None:
    client = tenant.client
    made, message = endpoint(client, receiver.url), send(client)
    eventually(lambda: client.endpoint.get_stats(APP, made.id).success == 1)
    base = f"{tenant.url}/api/v1/app/{APP}/msg/{message.id}"
    pages = [
        httpx.get(f"{base}/{path}", headers={"authorization": f"Bearer {tenant.token}"}).json()
        for path in ("attempt", f"endpoint/{made.id}/attempt")
    ]
    (attempt,) = client.message_attempt.list_by_msg(APP, message.id).data
    assert [[one["id"] for one in page["data"]] for page in pages] == [[attempt.id], [attempt.id]]


def test_a_delivery_at_a_later_time_is_refused_rather_than_made_at_once(client: Svix) -> None:
    with pytest.raises(HTTPValidationError) as refused:
        send(client, deliver_at=datetime.now(UTC) + timedelta(hours=1))
    assert refused.value.detail[0].loc == ["body", "deliverAt"]
    assert client.message.list(APP).data == []


@pytest.mark.parametrize(("hours", "accepted"), [(1, True), (0, False), (90 * 24 + 1, False)])
def test_a_payload_can_be_kept_for_hours(client: Svix, hours: int, accepted: bool) -> None:
    try:
        send(client, payload_retention_hours=hours)
    except HTTPValidationError:
        assert not accepted
    else:
        assert accepted
