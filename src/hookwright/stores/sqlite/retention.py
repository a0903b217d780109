"""Removing what has expired, in slices."""

from typing import Any

import apsw

from hookwright.store.deliveries import Forget
from hookwright.stores.sqlite.attempts import expunge_responses
from hookwright.stores.sqlite.registry import load_sql, writes

SQL = load_sql("retention")


@writes(Forget)
def forget(db: apsw.Connection, command: Forget) -> int:
    gone = _forget_contents(db, command.now, command.limit)
    db.execute(SQL.remove_keys, {"now": command.now, "limit": command.limit})
    gone += db.changes()
    db.execute(SQL.remove_revocations, {"now": command.now})
    return gone + db.changes()


def _forget_contents(db: apsw.Connection, now: int, limit: int) -> int:
    """A content goes after the responses that may quote it: while it is there, the next slice finds the rest of them."""
    messages: Any = db.execute(SQL.contents, {"now": now, "limit": limit}).fetchall()
    left = limit
    for (message,) in messages:
        left -= expunge_responses(db, message, left)
        if not left:
            break
        db.execute(SQL.remove_content, {"message": message})
        left -= 1
    return limit - left
