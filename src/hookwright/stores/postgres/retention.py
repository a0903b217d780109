"""Removing what has expired, as everywhere; and making the days to come, for which this is the regular occasion."""

from hookwright.store.deliveries import Forget
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.partitions import make_days
from hookwright.stores.sql import retention
from hookwright.stores.sql.registry import load_sql

NEWS = load_sql("news", __package__)


async def forget(db: PostgresDb, command: Forget) -> int:
    await make_days(db.connection, command.now)
    await db.run(NEWS.forget)
    return await retention.forget(db, command)
