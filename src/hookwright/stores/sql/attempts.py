"""Attempts: looked up, listed, and their responses removed. They are written where deliveries are settled."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from hookwright.domain.attempts import EXPUNGED, Attempt
from hookwright.domain.deliveries import Key, State, Trigger
from hookwright.domain.pages import Page
from hookwright.errors import NotFound
from hookwright.store.attempts import ExpungeResponse, FindAttempt, ListAttempts
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.decoding import member, names
from hookwright.stores.sql.filters import filter_values, narrows
from hookwright.stores.sql.keysets import budget, each, gather, keyset, window
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("attempts")
_BY_MESSAGE = SimpleNamespace(down=SQL.by_message_down, up=SQL.by_message_up, edge_down=SQL.message_edge_down, edge_up=SQL.message_edge_up)
_BY_ENDPOINT = SimpleNamespace(
    down=SQL.by_endpoint_down, up=SQL.by_endpoint_up, edge_down=SQL.endpoint_edge_down, edge_up=SQL.endpoint_edge_up
)
EVERY = 2**31
"""More than there are."""


@writes(ExpungeResponse)
async def expunge_response(db: Db, command: ExpungeResponse) -> None:
    of = {"application": command.application, "message": command.message, "attempt": command.attempt}
    if not await db.run(SQL.expunge_response, of | {"expunged": EXPUNGED}):
        raise NotFound


async def expunge_responses(db: Db, messages: Sequence[str], limit: int = EVERY) -> int:
    """Remove what receivers answered to these messages, at most `limit` times; how often that was."""
    values = {"messages": as_list(messages), "expunged": EXPUNGED, "limit": limit}
    return await db.run(SQL.expunge_responses, values)


@reads(FindAttempt)
async def find(db: Db, query: FindAttempt) -> Attempt | None:
    values = {"application": query.application, "message": query.message, "attempt": query.attempt}
    row = await db.first(SQL.find, values)
    return to_attempt(row) if row is not None else None


@reads(ListAttempts)
async def list_attempts(db: Db, query: ListAttempts) -> Page[Attempt]:
    keys = keyset(query.page, "atmpt", after=query.filter.after, before=query.filter.before)
    statements, of = _BY_ENDPOINT if query.message is None else _BY_MESSAGE, {"endpoint": query.endpoint, "message": query.message}
    if narrows(query.filter) or query.state is not None or query.status_class is not None or all(of.values()):
        keys = await window(db, statements.edge_down if keys.down else statements.edge_up, of, keys, budget(query.page))
    values: dict[str, Any] = of | keys.range | filter_values(query.filter)
    values |= {"application": query.application, "state": query.state, "status_class": query.status_class, "limit": query.page.limit + 1}
    attempts = map(to_attempt, await db.all(statements.down if keys.down else statements.up, values))
    return await gather(query.page, each([(attempt.id, attempt) for attempt in attempts]), keys.edge)


def to_attempt(row: tuple[Any, ...]) -> Attempt:
    """The value of a row, its columns in the order that `attempts.sql` names them."""
    return Attempt(
        id=row[0],
        key=Key(row[1], row[2], row[3]),
        application=row[4],
        organization=row[5],
        trigger=member("trigger", Trigger, row[6]),
        number=row[7],
        url=row[8],
        event_type=row[9],
        channels=names("channels", row[10]),
        state=member("state", State, row[11]),
        response_status=row[12],
        response=row[13],
        truncated=bool(row[14]),
        started_at=row[15],
        duration_ms=row[16],
    )
