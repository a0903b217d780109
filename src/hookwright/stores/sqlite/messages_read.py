"""Messages as they are listed and looked up, alone or as an endpoint saw them; and the removal of a content."""

from collections.abc import Iterator
from itertools import accumulate, islice
from typing import Any, TypeVar

import apsw
import msgspec

from hookwright.domain.deliveries import Status
from hookwright.domain.messages import Content, Message
from hookwright.domain.pages import Page
from hookwright.errors import NotFound
from hookwright.store.messages import (
    Destination,
    EndpointMessage,
    ExpungeContent,
    FindMessage,
    FoundMessage,
    ListDestinations,
    ListEndpointMessages,
    ListMessages,
    MessageFilter,
)
from hookwright.stores.sqlite.attempts import expunge_responses
from hookwright.stores.sqlite.decoding import names
from hookwright.stores.sqlite.deliveries import cancel
from hookwright.stores.sqlite.endpoints import endpoints_by_id
from hookwright.stores.sqlite.keysets import Keyset, gather, keyset, replace
from hookwright.stores.sqlite.registry import load_sql, reads, writes
from hookwright.stores.sqlite.statuses import statuses_at_endpoint, statuses_of_message

T = TypeVar("T")
SQL = load_sql("messages_read")
MOST_BYTES = 16 * 2**20
"""Of contents in one page: what a page of bodies may take in memory. A page that would be larger ends early."""


@writes(ExpungeContent)
def expunge(db: apsw.Connection, command: ExpungeContent) -> None:
    message = _find(db, command.application, command.message)
    if message is None:
        raise NotFound
    db.execute(SQL.expunge, {"message": message.id})
    expunge_responses(db, message.id)
    cancel(db, db.execute(SQL.live, {"message": message.id}).fetchall(), command.now)


@reads(FindMessage)
def find(db: apsw.Connection, query: FindMessage) -> FoundMessage | None:
    message = _find(db, query.application, query.ref)
    if message is None:
        return None
    row = db.execute(SQL.content, {"message": message.id}).fetchone() if query.with_content else None
    return FoundMessage(message, Content(*row) if row is not None else None)


@reads(ListMessages)
def list_messages(db: apsw.Connection, query: ListMessages) -> Page[FoundMessage]:
    keys = _keys(query)
    of = {"application": query.application, "low": keys.low, "high": keys.high}
    messages = map(to_message, db.execute(SQL.list_down if keys.down else SQL.list_up, of))
    page = gather(query.page, ((message.id, message if _matches(query.filter, message) else None) for message in messages))
    if not query.with_content:
        return replace(page, [FoundMessage(message, None) for message in page.data])
    page = _cut(db, query, page, [message.id for message in page.data])
    contents = _contents(db, [message.id for message in page.data])
    return replace(page, [FoundMessage(message, contents.get(message.id)) for message in page.data])


@reads(ListEndpointMessages)
def list_endpoint_messages(db: apsw.Connection, query: ListEndpointMessages) -> Page[EndpointMessage]:
    page = gather(query.page, _endpoint_messages(db, query))
    contents: dict[str, Content] = {}
    if query.with_content:
        page = _cut(db, query, page, [message.id for message, _ in page.data])
        contents = _contents(db, [message.id for message, _ in page.data])
    return replace(page, [EndpointMessage(FoundMessage(one, contents.get(one.id)), status) for one, status in page.data])


@reads(ListDestinations)
def list_destinations(db: apsw.Connection, query: ListDestinations) -> Page[Destination]:
    statuses = statuses_of_message(db, query.message, keyset(query.page, "ep"))
    page = gather(query.page, ((endpoint, (endpoint, status)) for endpoint, status in statuses))
    endpoints = endpoints_by_id(db, query.application, [endpoint for endpoint, _ in page.data])
    return replace(page, [Destination(endpoints[ident], status) for ident, status in page.data if ident in endpoints])


def to_message(row: tuple[Any, ...]) -> Message:
    """The value of a row, its columns in the order that `messages_read.sql` names them."""
    return Message(
        id=row[0],
        organization=row[1],
        application=row[2],
        event_type=row[3],
        event_id=row[4],
        channels=names("channels", row[5]),
        created_at=row[6],
        content_expires_at=row[7],
    )


def _find(db: apsw.Connection, application: str, ref: str) -> Message | None:
    row = db.execute(SQL.find, {"application": application, "ref": ref}).fetchone()
    return to_message(row) if row is not None else None


def _keys(query: ListMessages | ListEndpointMessages) -> Keyset:
    return keyset(query.page, "msg", after=query.filter.after, before=query.filter.before)


def _matches(wanted: MessageFilter, message: Message) -> bool:
    """Whether a message passes the filter; its time bounds are those of the index range, not judged here."""
    if wanted.event_types is not None and message.event_type not in wanted.event_types:
        return False
    return wanted.channel is None or (message.channels is not None and wanted.channel in message.channels)


def _endpoint_messages(db: apsw.Connection, query: ListEndpointMessages) -> Iterator[tuple[str, tuple[Message, Status] | None]]:
    """What `gather` looks through; messages are looked up by the page, not one by one."""
    statuses = statuses_at_endpoint(db, query.endpoint, _keys(query), query.states)
    while chunk := list(islice(statuses, query.page.limit + 1)):
        wanted = [ident for ident, status in chunk if status is not None]
        rows = db.execute(SQL.by_ids, {"application": query.application, "ids": _json(wanted)})
        messages = {message.id: message for message in map(to_message, rows) if _matches(query.filter, message)}
        for ident, status in chunk:
            message = messages.get(ident)
            yield ident, (message, status) if message is not None and status is not None else None


def _cut(db: apsw.Connection, query: ListMessages | ListEndpointMessages, page: Page[T], idents: list[str]) -> Page[T]:
    """As much of the page, from the end that the reading began at, as has at most `MOST_BYTES` of contents."""
    sizes: dict[str, int] = dict(db.execute(SQL.content_sizes, {"ids": _json(idents)}))
    order = idents[::-1] if query.page.backwards else idents
    for kept, total in enumerate(accumulate(sizes.get(ident, 0) for ident in order)):
        if total > MOST_BYTES and kept:
            if query.page.backwards:
                return Page(page.data[-kept:], False, idents[-kept], page.last)
            return Page(page.data[:kept], False, page.first, idents[kept - 1])
    return page


def _contents(db: apsw.Connection, idents: list[str]) -> dict[str, Content]:
    return {ident: Content(body, kind) for ident, body, kind in db.execute(SQL.contents, {"ids": _json(idents)})}


def _json(idents: list[str]) -> str:
    return msgspec.json.encode(idents).decode()
