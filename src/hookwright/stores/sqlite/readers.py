"""Two readers, so that nobody's list keeps a message waiting.

A connection answers one query at a time, and a list may look at thousands of rows. So what a message or a delivery waits
for (`Query.urgent`) has a connection and a thread of its own.
"""

from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import apsw

from hookwright.errors import StoreUnavailable, Unreadable
from hookwright.store import Query
from hookwright.stores.sql.db import carry_out
from hookwright.stores.sql.registry import READERS, Handler
from hookwright.stores.sqlite.db import SqliteDb
from hookwright.stores.sqlite.offload import Offload

R = TypeVar("R")


class Reader:
    """One read-only connection, used by one query at a time."""

    def __init__(self, connection: apsw.Connection, offload: Offload) -> None:
        self._connection, self._db, self.offload = connection, SqliteDb(connection), offload

    async def answer(self, query: Query[R]) -> R:
        handler = READERS[type(query)]
        result: R = await self.offload.run(lambda: self._read(handler, query))
        return result

    def _read(self, handler: Handler, query: Query[Any]) -> Any:
        """One query sees one state of the database, however many statements it takes."""
        try:
            with self._connection:
                return carry_out(handler(self._db, query))
        except (apsw.IOError, apsw.CorruptError, apsw.BusyError, apsw.FullError, apsw.CantOpenError) as error:
            raise StoreUnavailable(f"the database cannot be read now: {error}") from error
        except UnicodeDecodeError as error:
            raise Unreadable(str(error)) from error

    def close(self) -> None:
        """After what it was asked for."""
        self.offload.close()
        with suppress(apsw.Error):
            self._connection.close(True)


class Readers(NamedTuple):
    urgent: Reader
    patient: Reader

    def of(self, query: Query[Any]) -> Reader:
        return self.urgent if query.urgent else self.patient
