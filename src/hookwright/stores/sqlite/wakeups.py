"""A file's one process has nobody to tell."""

from hookwright.store.wakeups import Wake
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import writes


@writes(Wake)
async def wake(db: Db, command: Wake) -> None:
    return None
