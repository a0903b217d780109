"""Removing what has expired, in slices."""

from typing import Any

from hookwright.store.deliveries import Forget
from hookwright.stores.sql.attempts import expunge_responses
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, writes

SQL = load_sql("retention")


@writes(Forget)
async def forget(db: Db, command: Forget) -> int:
    expired = command.now - command.grace
    gone = await _forget_contents(db, expired, command.limit)
    gone += await db.run(SQL.remove_keys, {"now": expired, "limit": command.limit})
    return gone + await db.run(SQL.remove_revocations, {"now": expired})


async def _forget_contents(db: Db, now: int, limit: int) -> int:
    """A content goes after the responses that may quote it: while it is there, the next slice finds the rest of them."""
    messages: Any = await db.all(SQL.contents, {"now": now, "limit": limit})
    left = limit
    for (message,) in messages:
        left -= await expunge_responses(db, message, left)
        if not left:
            break
        await remove_content(db, message)
        left -= 1
    return limit - left


async def remove_content(db: Db, message: str) -> int:
    """How many it was: one, or none."""
    return await db.run(SQL.remove_content, {"message": message})
