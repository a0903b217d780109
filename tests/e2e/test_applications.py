"""Applications and event types as the official SDK makes, lists and removes them."""

from collections.abc import Callable

import httpx
import pytest
from svix.api import (
    ApplicationIn,
    ApplicationListOptions,
    ApplicationPatch,
    EventTypeDeleteOptions,
    EventTypeIn,
    EventTypeListOptions,
    EventTypePatch,
    Svix,
)
from svix.exceptions import HttpError
from svix.models import EventTypeImportOpenApiIn, EventTypeUpsertIn, MessagePrecheckIn, Ordering

from tests.harness import Server


def test_an_application_is_made_read_changed_and_deleted(client: Svix) -> None:
    made = client.application.create(ApplicationIn(name="One", uid="one", metadata={"plan": "free"}, throttle_rate=5))
    assert client.application.get("one") == client.application.get(made.id) == made
    replaced = client.application.upsert("one", ApplicationIn(name="Two", uid="one"))
    assert (replaced.id, replaced.name, replaced.metadata, replaced.throttle_rate) == (made.id, "Two", {}, None)
    assert client.application.patch("one", ApplicationPatch(metadata={"plan": "paid"})).metadata == {"plan": "paid"}
    client.application.delete("one")
    with pytest.raises(HttpError) as refused:
        client.application.get(made.id)
    assert refused.value.status_code == 404


def test_an_application_is_found_or_made(client: Svix) -> None:
    made = client.application.get_or_create(ApplicationIn(name="One", uid="one"))
    assert client.application.get_or_create(ApplicationIn(name="Another name", uid="one")) == made


def test_a_uid_is_taken_once_and_free_after_deletion(client: Svix) -> None:
    first = client.application.create(ApplicationIn(name="One", uid="one"))
    with pytest.raises(HttpError) as refused:
        client.application.create(ApplicationIn(name="Two", uid="one"))
    assert refused.value.status_code == 409
    client.application.delete("one")
    assert client.application.create(ApplicationIn(name="Two", uid="one")).id != first.id


@pytest.mark.parametrize("order", [Ordering.ASCENDING, Ordering.DESCENDING])
def test_a_hundred_and_twenty_applications_are_read_forwards_and_back(client: Svix, order: Ordering) -> None:
    client.application.delete("app")
    made = [client.application.create(ApplicationIn(name=f"Number {n}")).id for n in range(120)]
    wanted = made if order is Ordering.ASCENDING else made[::-1]
    pages = [client.application.list(ApplicationListOptions(limit=50, order=order))]
    while not pages[-1].done:
        pages.append(client.application.list(ApplicationListOptions(limit=50, order=order, iterator=pages[-1].iterator)))
    assert [len(page.data) for page in pages] == [50, 50, 20]
    assert [one.id for page in pages for one in page.data] == wanted
    before = client.application.list(ApplicationListOptions(limit=50, order=order, iterator=pages[-1].prev_iterator))
    assert [one.id for one in before.data] == wanted[50:100]
    first = client.application.list(ApplicationListOptions(limit=50, order=order, iterator=before.prev_iterator))
    assert [one.id for one in first.data] == wanted[:50]


def test_an_event_type_is_made_read_changed_archived_and_expunged(client: Svix) -> None:
    schemas = {"1": {"type": "object", "title": "Invoice paid"}}
    made = client.event_type.create(EventTypeIn(name="invoice.paid", description="Paid", schemas=schemas))
    assert client.event_type.get("invoice.paid") == made
    assert made.schemas == schemas
    assert client.event_type.upsert("invoice.paid", EventTypeUpsertIn(description="Paid in full")).schemas is None
    assert client.event_type.patch("invoice.paid", EventTypePatch(deprecated=True)).deprecated is True
    client.event_type.delete("invoice.paid")
    assert client.event_type.get("invoice.paid").archived is True
    assert client.event_type.list().data == []
    assert [one.name for one in client.event_type.list(EventTypeListOptions(include_archived=True)).data] == ["invoice.paid"]
    client.event_type.delete("invoice.paid", EventTypeDeleteOptions(expunge=True))
    with pytest.raises(HttpError):
        client.event_type.get("invoice.paid")


def test_an_archived_event_type_comes_back_when_it_is_made_again(client: Svix) -> None:
    client.event_type.create(EventTypeIn(name="invoice.paid", description="Old"))
    client.event_type.delete("invoice.paid")
    again = client.event_type.create(EventTypeIn(name="invoice.paid", description="New"))
    assert (again.archived, again.description) == (False, "New")


def test_a_living_event_type_is_not_made_twice(client: Svix) -> None:
    client.event_type.create(EventTypeIn(name="invoice.paid", description=""))
    with pytest.raises(HttpError) as refused:
        client.event_type.create(EventTypeIn(name="invoice.paid", description=""))
    assert (refused.value.status_code, refused.value.code) == (409, "event_type_exists")


def test_a_hundred_and_twenty_event_types_are_read_by_name(client: Svix) -> None:
    names = [f"type.{n:03}" for n in range(120)]
    for name in reversed(names):
        client.event_type.create(EventTypeIn(name=name, description=""))
    pages = [client.event_type.list(EventTypeListOptions(limit=50))]
    while not pages[-1].done:
        pages.append(client.event_type.list(EventTypeListOptions(limit=50, iterator=pages[-1].iterator)))
    assert [one.name for page in pages for one in page.data] == names
    before = client.event_type.list(EventTypeListOptions(limit=50, iterator=pages[-1].prev_iterator))
    assert [one.name for one in before.data] == names[50:100]


NOT_SERVED: dict[str, Callable[[Svix], object]] = {
    "statistics": lambda client: client.statistics.aggregate_event_types(),
    "import of event types": lambda client: client.event_type.import_openapi(EventTypeImportOpenApiIn(spec={})),
    "precheck": lambda client: client.message.precheck("app", MessagePrecheckIn(event_type="a")),
    "environment": lambda client: client.environment.export(),
    "ingest": lambda client: client.ingest.source.list(),
}


@pytest.mark.parametrize("call", NOT_SERVED.values(), ids=NOT_SERVED.keys())
def test_what_is_not_served_is_told_as_json_which_the_sdk_understands(client: Svix, call: Callable[[Svix], object]) -> None:
    with pytest.raises(HttpError) as refused:
        call(client)
    assert (refused.value.status_code, refused.value.code) in {(404, "not_found"), (405, "method_not_allowed")}


def test_the_health_check_of_the_sdk_is_content(client: Svix) -> None:
    client.health.get()


@pytest.mark.parametrize(("method", "path", "status"), [("HEAD", "health", 200), ("GET", "health/ping", 204), ("HEAD", "health/ping", 204)])
def test_probes_are_answered_without_a_token_or_a_body(server: Server, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, f"{server.url}/api/v1/{path}")
    assert (answer.status_code, answer.content) == (status, b"")
