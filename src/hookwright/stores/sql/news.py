"""What other processes changed."""

import msgspec

from hookwright.store.news import News, RecentNews
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, reads

SQL = load_sql("news")


@reads(RecentNews)
async def recent(db: Db, query: RecentNews) -> list[News]:
    return [News(*row) for row in await db.all(SQL.recent, msgspec.structs.asdict(query))]
