"""The database as commands need it, without an engine: locking, looking, bringing up to date, opening."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hookwright.config import Settings
from hookwright.store import Store
from hookwright.stores.sql.steps import Standing, Step
from hookwright.stores.sqlite.backups import back_up
from hookwright.stores.sqlite.connections import FileLock, open_writer
from hookwright.stores.sqlite.examination import examine, schema_standing, sqlite_version, stored_seals
from hookwright.stores.sqlite.store import open_store

__all__ = [
    "FileLock",
    "Standing",
    "Step",
    "back_up",
    "examine",
    "open_database",
    "open_store",
    "open_writer",
    "schema_standing",
    "sqlite_version",
    "stored_seals",
]

PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def open_database(settings: Settings, *, serving: bool = False) -> AsyncIterator[Store]:
    """The configured store, its schema up to date, for the length of a block. Raises StoreRefused, ConfigurationError.

    `serving`: many messages will come, and the first ones should not wait for what can be prepared; but a start waits for
    who has the file for a moment, as a backup does.
    """
    if not settings.on_postgres:
        async with open_store(settings.database_path, patience=PATIENCE_SECONDS if serving else 0.0) as file:
            yield file
        return
    from hookwright.runtime import postgres  # only who uses it pays for loading it

    async with postgres.open_database(settings, serving=serving) as shared:
        yield shared
