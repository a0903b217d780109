"""Messages as they are listed and looked up, alone or as an endpoint saw them; and the removal of a content."""

from collections.abc import AsyncIterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from hookwright.domain.deliveries import Key, Status
from hookwright.domain.messages import Content, Message
from hookwright.domain.pages import Page
from hookwright.errors import NotFound
from hookwright.store.messages import (
    Canceled,
    CancelMessage,
    Destination,
    EndpointMessage,
    ExpungeContent,
    FindMessage,
    FoundMessage,
    ListDestinations,
    ListEndpointMessages,
    ListMessages,
)
from hookwright.stores.sql import positions
from hookwright.stores.sql.attempts import expunge_responses
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.decoding import names
from hookwright.stores.sql.deliveries import cancel
from hookwright.stores.sql.endpoints import endpoints_by_id
from hookwright.stores.sql.filters import filter_values, narrows
from hookwright.stores.sql.keysets import Keyset, budget, each, gather, keyset, replace, window
from hookwright.stores.sql.registry import load_sql, reads, writes
from hookwright.stores.sql.retention import remove_contents
from hookwright.stores.sql.statuses import candidates_at_endpoint, statuses_at_endpoint, statuses_of_message

T = TypeVar("T")
SQL = load_sql("messages_read")
MOST_BYTES = 16 * 2**20
"""Of contents in one page: what a page of bodies may take in memory. A page that would be larger ends early."""


@writes(ExpungeContent)
async def expunge(db: Db, command: ExpungeContent) -> None:
    message = await _find(db, command.application, command.message)
    if message is None:
        raise NotFound
    await remove_contents(db, [message.id])
    await cancel(db, await db.all(SQL.live, {"message": message.id}), command.now)
    await expunge_responses(db, [message.id])  # last: attempts that were being settled meanwhile are seen now, and no more come


@writes(CancelMessage)
async def cancel_message(db: Db, command: CancelMessage) -> Canceled:
    message = await _find(db, command.application, command.message)
    if message is None:
        raise NotFound
    held = [(key.endpoint, key.round, fence.owner, fence.attempts) for key, fence in command.held]
    rows: Any = await db.all(SQL.unsent, {"message": message.id, "held": msgspec.json.encode(held).decode()})
    if command.alone:
        mine = {key for key, _ in command.held}
        rows = [row for row in rows if Key(*row) in mine]
    canceled = await cancel(db, rows, command.now)
    behind = await positions.ordered_among(db, sorted({endpoint for endpoint, *_ in rows}))
    left: Any = await db.all(SQL.count_live, {"message": message.id})
    if left[0][0] and not command.alone:
        await db.run(SQL.tell_canceled, {"application": command.application, "message": message.id})
    return Canceled(canceled, left[0][0], tuple(behind))


@reads(FindMessage)
async def find(db: Db, query: FindMessage) -> FoundMessage | None:
    message = await _find(db, query.application, query.ref)
    if message is None:
        return None
    row = await db.first(SQL.content, {"message": message.id}) if query.with_content else None
    return FoundMessage(message, Content(*row) if row is not None else None)


@reads(ListMessages)
async def list_messages(db: Db, query: ListMessages) -> Page[FoundMessage]:
    keys, of = _keys(query), {"application": query.application}
    if narrows(query.filter):
        keys = await window(db, SQL.edge_down if keys.down else SQL.edge_up, of, keys, budget(query.page))
    values = of | keys.range | filter_values(query.filter) | {"limit": query.page.limit + 1}
    messages = map(to_message, await db.all(SQL.list_down if keys.down else SQL.list_up, values))
    page = await gather(query.page, each([(message.id, message) for message in messages]), keys.edge)
    if not query.with_content:
        return replace(page, [FoundMessage(message, None) for message in page.data])
    page = await _cut(db, query, page, [message.id for message in page.data])
    contents = await contents_by_message(db, [message.id for message in page.data])
    return replace(page, [FoundMessage(message, contents.get(message.id)) for message in page.data])


@reads(ListEndpointMessages)
async def list_endpoint_messages(db: Db, query: ListEndpointMessages) -> Page[EndpointMessage]:
    of = {"application": query.application, "endpoint": query.endpoint}
    candidates, edge = await candidates_at_endpoint(db, query.filter, of, _keys(query), query.page, query.states)
    page = await gather(query.page, _endpoint_messages(db, query, candidates), edge)
    contents: dict[str, Content] = {}
    if query.with_content:
        page = await _cut(db, query, page, [message.id for message, _ in page.data])
        contents = await contents_by_message(db, [message.id for message, _ in page.data])
    return replace(page, [EndpointMessage(FoundMessage(one, contents.get(one.id)), status) for one, status in page.data])


@reads(ListDestinations)
async def list_destinations(db: Db, query: ListDestinations) -> Page[Destination]:
    statuses = statuses_of_message(db, query.message, keyset(query.page, "ep"))
    page = await gather(query.page, ((endpoint, (endpoint, status)) async for endpoint, status in statuses))
    endpoints = await endpoints_by_id(db, query.application, [endpoint for endpoint, _ in page.data])
    return replace(page, [Destination(endpoints[ident], status) for ident, status in page.data if ident in endpoints])


async def messages_by_id(db: Db, application: str, idents: Sequence[str]) -> dict[str, Message]:
    """Those of them that there are in the application."""
    rows = await db.all(SQL.by_ids, {"application": application, "ids": as_list(idents)})
    return {message.id: message for message in map(to_message, rows)}


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


async def _find(db: Db, application: str, ref: str) -> Message | None:
    row = await db.first(SQL.find, {"application": application, "ref": ref})
    return to_message(row) if row is not None else None


def _keys(query: ListMessages | ListEndpointMessages) -> Keyset:
    return keyset(query.page, "msg", after=query.filter.after, before=query.filter.before)


async def _endpoint_messages(
    db: Db, query: ListEndpointMessages, candidates: list[str]
) -> AsyncIterator[tuple[str, tuple[Message, Status] | None]]:
    """What `gather` looks through; statuses and messages are looked up by the page, not one by one."""
    most = query.page.limit + 1
    for chunk in (candidates[start : start + most] for start in range(0, len(candidates), most)):
        statuses = await statuses_at_endpoint(db, query.endpoint, chunk)
        wanted = [ident for ident in chunk if query.states is None or statuses[ident].state in query.states]
        messages = await messages_by_id(db, query.application, wanted)
        for ident in chunk:
            yield ident, (messages[ident], statuses[ident]) if ident in messages else None


async def _cut(db: Db, query: ListMessages | ListEndpointMessages, page: Page[T], idents: list[str]) -> Page[T]:
    """As much of the page, from the end that the reading began at, as has at most `MOST_BYTES` of contents."""
    sizes: dict[str, int] = dict(await db.all(SQL.content_sizes, {"ids": as_list(idents)}))
    order = idents[::-1] if query.page.backwards else idents
    for kept, total in enumerate(accumulate(sizes.get(ident, 0) for ident in order)):
        if total > MOST_BYTES and kept:
            if query.page.backwards:
                return Page(page.data[-kept:], False, idents[-kept], page.last)
            return Page(page.data[:kept], False, page.first, idents[kept - 1])
    return page


async def contents_by_message(db: Db, idents: list[str]) -> dict[str, Content]:
    return {ident: Content(body, kind) for ident, body, kind in await db.all(SQL.contents, {"ids": as_list(idents)})}
