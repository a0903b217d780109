"""Dead letters: looked up in an index of what was given up, and judged by what became of each since."""

from typing import Any

from hookwright.domain.pages import Page
from hookwright.store.dead_letters import DeadLetter, ListDeadLetters
from hookwright.stores.sql.db import Db, Row
from hookwright.stores.sql.keysets import budget, each, gather, keyset
from hookwright.stores.sql.messages_read import messages_by_id
from hookwright.stores.sql.registry import load_sql, reads
from hookwright.stores.sql.replays import answers
from hookwright.stores.sql.statuses import LOOK_UP

SQL = load_sql("dead_letters")


@reads(ListDeadLetters)
async def list_dead_letters(db: Db, query: ListDeadLetters) -> Page[DeadLetter]:
    most = budget(query.page) // LOOK_UP
    rows = await db.all(SQL.page, _range(query) | {"application": query.application, "only": query.endpoint, "limit": most})
    edge = rows[-1] if len(rows) == most else None
    dead = [row for row in rows if row[5]]
    if len(dead) > query.page.limit + 1:  # enough for a page, and one more that shows that there are more
        dead = dead[: query.page.limit + 1]
        edge, rows = dead[-1], rows[: rows.index(dead[-1]) + 1]
    messages = await messages_by_id(db, query.application, [row[0] for row in dead])
    statuses = await answers(db, [(row[0], row[4]) for row in dead if row[4] is not None])
    found: dict[str, DeadLetter] = {}
    for row in dead:
        message, endpoint, attempts, ended_at, last_attempt, _ = row
        if message in messages:
            found[_cursor(row)] = DeadLetter(
                message=messages[message], endpoint=endpoint, attempts=attempts, ended_at=ended_at, last_attempt=last_attempt,
                last_status=statuses.get((message, last_attempt)),
            )  # fmt: skip
    candidates = [(_cursor(row), found.get(_cursor(row)) if row[5] else None) for row in rows]
    return await gather(query.page, each(candidates), None if edge is None else _cursor(edge))


def _cursor(row: Row) -> str:
    return f"{row[0]}:{row[1]}"


def _range(query: ListDeadLetters) -> dict[str, Any]:
    """As the statement names it: before the cursor, and within the times that were asked for."""
    keys = keyset(query.page, "msg", after=query.after, before=query.before)
    message, _, endpoint = (query.page.cursor or "").partition(":")
    if message and keys.high == query.page.cursor:
        return {"low": keys.low, "message": message, "endpoint": endpoint}
    return {"low": keys.low, "message": keys.high, "endpoint": ""}
