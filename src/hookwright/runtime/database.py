"""The database as commands need it, without an engine: locking, looking, bringing up to date, opening."""

from hookwright.stores.sqlite.connections import FileLock, open_writer
from hookwright.stores.sqlite.examination import examine, sqlite_version, steps_to_come, stored_seals
from hookwright.stores.sqlite.store import open_store

__all__ = ["FileLock", "examine", "open_store", "open_writer", "sqlite_version", "steps_to_come", "stored_seals"]
