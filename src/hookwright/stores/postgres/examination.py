"""Looking at a database without changing it, beside the processes that work on it: for `doctor`, and before a migration.

One connection and one transaction, read-only, so that all that is told was true at the same moment. What is told of the
server itself needs no schema; the rest is there only when the schema is the newest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from hookwright.store.seals import Seal
from hookwright.stores.postgres.connections import Address, opening
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.schema import migrate, steps_to_come
from hookwright.stores.postgres.servers import Server, check_server, look
from hookwright.stores.sql.db import Values
from hookwright.stores.sql.examination import Backlog, backlog
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sql.seals import seals_after

SQL = load_sql("examination", __package__)


class Node(msgspec.Struct, frozen=True):
    """A process that delivers, or did: silent for so long, with so many deliveries in its hands."""

    epoch: int
    silent_ms: int
    deliveries: int


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a database of the newest schema holds."""

    nodes: tuple[Node, ...]
    backlog: Backlog
    seals: tuple[Seal, ...]


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """`now`: the server's clock, Unix ms. `pending`: steps of migration to come, by name; `content` is None if there are any."""

    server: Server
    now: int
    version: int
    pending: tuple[str, ...]
    content: Content | None


async def examine(url: str, *, pooled: bool = False) -> Examination:
    """Raises StoreRefused, and Unreadable for a row that is damaged."""
    async with _reading(Address(url, pooled=pooled)) as connection:
        server, (version, pending) = await look(connection), await steps_to_come(connection)
        content = None if pending else await _content(connection)
        now = await _number(connection, SQL.clock)
    return Examination(server=server, now=now, version=version, pending=pending, content=content)


async def nodes_at_work(url: str, lease_ms: int, *, pooled: bool = False) -> int:
    """How many processes have a lease that has not run out. Raises StoreRefused."""
    async with _reading(Address(url, pooled=pooled)) as connection:
        if (await steps_to_come(connection))[1]:
            return 0
        return await _number(connection, SQL.at_work, {"lease_ms": lease_ms})


async def pending_steps(url: str, *, pooled: bool = False) -> tuple[int, tuple[str, ...]]:
    """The schema's version, and the steps to the newest. Raises StoreRefused."""
    async with _reading(Address(url, pooled=pooled)) as connection:
        return await steps_to_come(connection)


async def bring_up_to_date(url: str, *, pooled: bool = False) -> None:
    """Raises StoreRefused."""
    async with opening(Address(url, pooled=pooled)) as connection:
        await check_server(connection)
        await migrate(connection)


async def _number(connection: Any, sql: str, values: Values = ()) -> int:
    row = await PostgresDb(connection).first(sql, values)
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def _reading(address: Address) -> AsyncIterator[Any]:
    async with opening(address) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def _content(connection: Any) -> Content:
    db = PostgresDb(connection)
    nodes = tuple([Node(*row) for row in await db.all(SQL.nodes)])
    seals = [seal async for seal in seals_after(db)]
    return Content(nodes=nodes, backlog=await backlog(db), seals=tuple(seals))
