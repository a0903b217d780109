"""Removing what has expired, in slices."""

from collections.abc import Sequence

from hookwright.store.deliveries import Forget
from hookwright.stores.sql.attempts import expunge_responses
from hookwright.stores.sql.db import Db, Row, as_list
from hookwright.stores.sql.deliveries import cancel
from hookwright.stores.sql.registry import load_sql, writes

SQL = load_sql("retention")


@writes(Forget)
async def forget(db: Db, command: Forget) -> int:
    expired = command.now - command.grace
    gone = await _forget_contents(db, expired, command.now, command.limit)
    of = {"now": expired, "limit": command.limit}
    return gone + await db.run(SQL.remove_keys, of) + await db.run(SQL.remove_revocations, of)


async def _forget_contents(db: Db, expired: int, now: int, limit: int) -> int:
    """Of the messages whose time has come: cancel what waits (P2), remove what was answered, and at last the contents.

    In this order: a message of which nothing is live gets no more answers, and while its content is there, the next slice finds the
    rest. One that is being sent stays whole until that has ended.
    """
    messages = _column(await db.all(SQL.contents, {"now": expired, "limit": limit}))
    if not messages:
        return 0
    left = limit - await cancel(db, await db.all(SQL.waiting, {"messages": as_list(messages), "limit": limit}), now)
    ended = _column(await db.all(SQL.ended, {"messages": as_list(messages)})) if left else []
    if ended:
        left -= await expunge_responses(db, ended, left)
        left -= await remove_contents(db, ended[:left])
    return limit - left


async def remove_contents(db: Db, messages: Sequence[str]) -> int:
    """How many there were."""
    return await db.run(SQL.remove_contents, {"messages": as_list(messages)})


def _column(rows: Sequence[Row]) -> list[str]:
    return [row[0] for row in rows]
