"""Attempts: looked up, listed, and their responses removed. They are written where deliveries are settled."""

from typing import Any

from hookwright.domain.attempts import EXPUNGED, Attempt
from hookwright.domain.deliveries import Key, State, Trigger
from hookwright.domain.pages import Page
from hookwright.errors import NotFound
from hookwright.store.attempts import ExpungeResponse, FindAttempt, ListAttempts
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.decoding import member, names
from hookwright.stores.sql.keysets import gather, keyset
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("attempts")
EVERY = 2**31
"""More than there are."""


@writes(ExpungeResponse)
async def expunge_response(db: Db, command: ExpungeResponse) -> None:
    of = {"application": command.application, "message": command.message, "attempt": command.attempt}
    if not await db.run(SQL.expunge_response, of | {"expunged": EXPUNGED}):
        raise NotFound


async def expunge_responses(db: Db, message: str, limit: int = EVERY) -> int:
    """Remove what receivers answered to a message, at most `limit` times (-1: every time); how often that was."""
    return await db.run(SQL.expunge_responses, {"message": message, "expunged": EXPUNGED, "limit": limit})


@reads(FindAttempt)
async def find(db: Db, query: FindAttempt) -> Attempt | None:
    values = {"application": query.application, "message": query.message, "attempt": query.attempt}
    row = await db.first(SQL.find, values)
    return to_attempt(row) if row is not None else None


@reads(ListAttempts)
async def list_attempts(db: Db, query: ListAttempts) -> Page[Attempt]:
    keys = keyset(query.page, "atmpt", after=query.filter.after, before=query.filter.before)
    values = {"application": query.application, "low": keys.low, "high": keys.high}
    if query.message is not None:
        rows = db.each(SQL.by_message_down if keys.down else SQL.by_message_up, values | {"message": query.message})
    else:
        rows = db.each(SQL.by_endpoint_down if keys.down else SQL.by_endpoint_up, values | {"endpoint": query.endpoint})
    attempts = (to_attempt(row) async for row in rows)
    return await gather(query.page, ((attempt.id, attempt if _matches(query, attempt) else None) async for attempt in attempts))


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


def _matches(query: ListAttempts, attempt: Attempt) -> bool:
    wanted = query.filter
    return (
        (query.endpoint is None or attempt.key.endpoint == query.endpoint)
        and (query.state is None or attempt.state == query.state)
        and (query.status_class is None or attempt.response_status // 100 * 100 == query.status_class)
        and (wanted.event_types is None or attempt.event_type in wanted.event_types)
        and (wanted.channel is None or (attempt.channels is not None and wanted.channel in attempt.channels))
    )
