"""Sealing anew, without telling: nothing that a process has in memory is another afterwards, and a reseal touches everything."""

from hookwright.store.seals import ReplaceSeals
from hookwright.stores.sql import seals
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("seals", __package__)


async def replace(db: Db, command: ReplaceSeals) -> None:
    await db.all(SQL.quietly)
    await seals.replace(db, command)
