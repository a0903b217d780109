"""What is asked of both databases: every list of the API, as a request and as the query that it makes of the store.

Each with its first page, one from the middle, and filters that few rows or none at all pass, in a large application and in
one of the usual size.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec

from bench.growth.histories import DAY_MS
from bench.growth.shapes import BIG, NEVER, RARE, SMALL, WIDE
from hookwright import ids
from hookwright.domain.deliveries import State
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.domain.pages import DEFAULT_LIMIT, Order, PageRequest
from hookwright.domain.tasks import Kind, Selection
from hookwright.store import Query
from hookwright.store.applications import ListApplications
from hookwright.store.attempts import ListAttempts
from hookwright.store.dead_letters import ListDeadLetters
from hookwright.store.deliveries import DueEndpoints, EndpointStats
from hookwright.store.endpoints import ListEndpoints, LoadApplication
from hookwright.store.event_types import ListEventTypes
from hookwright.store.messages import FindMessage, ListDestinations, ListEndpointMessages, ListMessages, MessageFilter
from hookwright.store.tasks import LookAhead

Read = Callable[[Query[Any]], Awaitable[Any]]
EMPTY_DAY = (1_600_000_000_000, 1_600_000_000_000 + DAY_MS)
"""Long before the first message."""


class Operation(msgspec.Struct, frozen=True):
    """`path`: of the GET request, None for what only the program itself asks."""

    name: str
    query: Query[Any]
    path: str | None = None


class Place(msgspec.Struct, frozen=True):
    """Ids: an application, the first of its endpoints, and its newest message."""

    name: str
    application: str
    endpoint: str
    message: str

    @property
    def path(self) -> str:
        return f"/api/v1/app/{self.application}"


async def place_of(read: Read, name: str, number: int) -> Place:
    loaded = await read(LoadApplication(organization=ORG, ref=f"customer-{number}"))
    page = await read(ListMessages(application=loaded.application.id, page=PageRequest(limit=1), with_content=False))
    return Place(name, loaded.application.id, loaded.endpoints[0].id, page.data[0].message.id)


async def operations(read: Read, middle: int, limit: int = DEFAULT_LIMIT) -> list[Operation]:
    """`middle`: Unix ms, half-way through the messages; `limit`: items of a page."""
    big, small, wide = [await place_of(read, name, number) for name, number in (("big", BIG), ("small", SMALL), ("wide", WIDE))]
    pages = _Pages(middle, limit)
    made = [one for place in (big, small) for one in (*messages(place, pages), *deliveries(place, pages), *attempts(place, pages))]
    made += [one for place in (big, small) for one in recoveries(place, pages)]
    return [*made, *registered(wide, pages), Operation("due endpoints", DueEndpoints())]


class _Pages:
    def __init__(self, middle: int, limit: int) -> None:
        self._middle, self._limit = middle, limit

    def first(self, order: Order = "descending") -> PageRequest:
        return PageRequest(limit=self._limit, order=order)

    def middle(self, prefix: str, order: Order = "descending") -> PageRequest:
        return PageRequest(limit=self._limit, cursor=f"{prefix}_{ids.floor(self._middle)}", order=order)

    def query_of(self, page: PageRequest) -> str:
        return f"limit={page.limit}&order={page.order}" + (f"&iterator={page.cursor}" if page.cursor else "")


FILTERS: tuple[tuple[str, MessageFilter, str], ...] = (
    ("a rare event type", MessageFilter(event_types=frozenset({RARE})), f"event_types={RARE}"),
    ("no such event type", MessageFilter(event_types=frozenset({NEVER})), f"event_types={NEVER}"),
    ("no such channel", MessageFilter(channel="nobody"), "channel=nobody"),
    (
        "before and after nothing",
        MessageFilter(after=EMPTY_DAY[0], before=EMPTY_DAY[1]),
        "after=2020-09-13T12:26:40Z&before=2020-09-14T12:26:40Z",
    ),
)
EVERYTHING = MessageFilter()


def messages(place: Place, pages: _Pages) -> Iterator[Operation]:
    def one(what: str, page: PageRequest, wanted: MessageFilter = EVERYTHING, query: str = "") -> Operation:
        path = f"{place.path}/msg?{pages.query_of(page)}&{query}"
        return Operation(f"messages, {place.name}: {what}", ListMessages(application=place.application, page=page, filter=wanted), path)

    yield one("first page", pages.first())
    yield one("middle page", pages.middle("msg"))
    for what, wanted, query in FILTERS:
        yield one(what, pages.first(), wanted, query)
    for what, wanted in (("middle page", EVERYTHING), ("a rare event type", FILTERS[0][1])):
        polled = ListMessages(application=place.application, page=pages.middle("msg", "ascending"), filter=wanted)
        yield Operation(f"messages polled, {place.name}: {what}", polled)
    path = f"{place.path}/msg/{place.message}"
    yield Operation(f"message, {place.name}", FindMessage(application=place.application, ref=place.message), path)


def deliveries(place: Place, pages: _Pages) -> Iterator[Operation]:
    def one(
        what: str, page: PageRequest, wanted: MessageFilter = EVERYTHING, states: frozenset[int] | None = None, query: str = ""
    ) -> Operation:  # fmt: skip
        asked = ListEndpointMessages(application=place.application, endpoint=place.endpoint, page=page, filter=wanted, states=states)
        path = f"{place.path}/endpoint/{place.endpoint}/msg?{pages.query_of(page)}&{query}"
        return Operation(f"an endpoint's messages, {place.name}: {what}", asked, path)

    yield one("first page", pages.first())
    yield one("middle page", pages.middle("msg"))
    for state in State:
        yield one(f"status {state.name.lower()}", pages.first(), states=frozenset({state}), query=f"status={state}")
    for what, wanted, query in FILTERS:
        yield one(what, pages.first(), wanted, query=query)
    destinations = ListDestinations(application=place.application, message=place.message, page=pages.first("ascending"))
    path = f"{place.path}/msg/{place.message}/endpoint?limit={destinations.page.limit}"
    yield Operation(f"a message's endpoints, {place.name}", destinations, path)
    stats = EndpointStats(application=place.application, endpoint=place.endpoint, since=0, until=2**42)
    yield Operation(f"stats, {place.name}", stats, f"{place.path}/endpoint/{place.endpoint}/stats")


def attempts(place: Place, pages: _Pages) -> Iterator[Operation]:
    def one(what: str, page: PageRequest, query: str = "", **asked: Any) -> Operation:
        path = f"{place.path}/attempt/endpoint/{place.endpoint}?{pages.query_of(page)}&{query}"
        asked |= {"application": place.application, "endpoint": place.endpoint, "page": page}
        return Operation(f"an endpoint's attempts, {place.name}: {what}", ListAttempts(**asked), path)

    yield one("first page", pages.first())
    yield one("middle page", pages.middle("atmpt"))
    yield one("failed", pages.first(), "status=2", state=State.FAIL)
    yield one("canceled", pages.first(), "status=4", state=State.CANCELED)
    yield one("answered with 3xx", pages.first(), "status_code_class=300", status_class=300)
    for what, wanted, query in FILTERS:
        yield one(what, pages.first(), query, filter=wanted)
    path = f"{place.path}/attempt/msg/{place.message}?limit={pages.first().limit}"
    of: dict[str, Any] = {"application": place.application, "message": place.message, "page": pages.first()}
    yield Operation(f"a message's attempts, {place.name}", ListAttempts(**of), path)
    yield Operation(f"a message's attempts, {place.name}: canceled", ListAttempts(**of, state=State.CANCELED), f"{path}&status=4")


def recoveries(place: Place, pages: _Pages) -> Iterator[Operation]:
    def dead(what: str, query: str = "", **asked: Any) -> Operation:
        path = f"{place.path}/dead-letter?limit={pages.first().limit}&{query}"
        return Operation(f"dead letters, {place.name}: {what}", ListDeadLetters(application=place.application, **asked), path)

    yield dead("first page", page=pages.first())
    yield dead("of one endpoint", f"endpoint_id={place.endpoint}", page=pages.first(), endpoint=place.endpoint)
    yield dead("before and after nothing", FILTERS[-1][2], page=pages.first(), after=EMPTY_DAY[0], before=EMPTY_DAY[1])
    asked: dict[str, Any] = {"application": place.application, "endpoint": place.endpoint, "limit": pages.first().limit}
    for kind in Kind:
        ahead = LookAhead(kind=kind, selection=Selection(since=0, until=2**42, status_class=200), **asked)
        yield Operation(f"look ahead, {place.name}: {kind}", ahead)


def registered(place: Place, pages: _Pages) -> Iterator[Operation]:
    for what, page in (("first page", pages.first()), ("middle page", pages.middle("ep"))):
        path = f"{place.path}/endpoint?{pages.query_of(page)}"
        yield Operation(f"endpoints, {place.name}: {what}", ListEndpoints(application=place.application, page=page), path)
    for what, page in (("first page", pages.first()), ("middle page", pages.middle("app"))):
        yield Operation(f"applications: {what}", ListApplications(organization=ORG, page=page), f"/api/v1/app?{pages.query_of(page)}")
    yield Operation("event types", ListEventTypes(organization=ORG, page=pages.first("ascending")), "/api/v1/event-type")
