"""What `doctor` is told of a database whose schema is the newest."""

import msgspec

from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("examination")


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """`live` deliveries; of those `held` at disabled endpoints; `oldest_due_at`: Unix ms, of those that are not held."""

    live: int
    held: int
    disabled_endpoints: int
    oldest_due_at: int | None


async def backlog(db: Db) -> Backlog:
    (counts,), (disabled,) = await db.all(SQL.backlog), await db.all(SQL.disabled_endpoints)
    live, held, oldest = counts
    return Backlog(live=live, held=held, disabled_endpoints=disabled[0], oldest_due_at=oldest)
