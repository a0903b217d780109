"""Looking at a database without changing it, beside the processes that work on it: for `doctor`, and before a migration.

One connection and one transaction, read-only, so that all that is told was true at the same moment. What is told of the
server itself needs no schema; the rest is there only when the schema is the newest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from hookwright.store.seals import Seal
from hookwright.stores.postgres import schema, servers
from hookwright.stores.postgres.connections import Address, opening
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.postgres.servers import Server, check_server
from hookwright.stores.sql.db import Values
from hookwright.stores.sql.examination import Backlog, backlog
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sql.seals import seals_after
from hookwright.stores.sql.steps import Standing

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
    """`now`: the server's clock, Unix ms. `content` is None if steps of the schema are pending."""

    server: Server
    now: int
    standing: Standing
    content: Content | None


async def examine(url: str, *, pooled: bool = False) -> Examination:
    """Raises StoreRefused, and Unreadable for a row that is damaged."""
    async with _reading(Address(url, pooled=pooled)) as connection:
        server, standing = await servers.look(connection), await schema.look(connection)
        content = None if standing.pending else await _content(connection)
        now = await _number(connection, SQL.clock)
    return Examination(server=server, now=now, standing=standing, content=content)


async def nodes_at_work(url: str, lease_ms: int, *, pooled: bool = False) -> int:
    """How many processes have a lease that has not run out. Raises StoreRefused."""
    async with _reading(Address(url, pooled=pooled)) as connection:
        if (await schema.look(connection)).pending:
            return 0
        return await _number(connection, SQL.at_work, {"lease_ms": lease_ms})


async def standing(url: str, *, pooled: bool = False) -> Standing:
    """How far the schema is. Raises StoreRefused."""
    async with _reading(Address(url, pooled=pooled)) as connection:
        return await schema.look(connection)


async def migrate(url: str, *, pooled: bool = False) -> list[str]:
    """Carry out what is pending; the names of the steps. Raises StoreRefused."""
    async with opening(Address(url, pooled=pooled)) as connection:
        await check_server(connection)
        return await schema.migrate(connection)


async def contract(url: str, lease_ms: int, *, pooled: bool = False) -> list[str]:
    """Carry out what waits; the names of the steps. Raises StoreRefused, also while an older release is at work."""
    async with opening(Address(url, pooled=pooled)) as connection:
        return await schema.contract(connection, lease_ms)


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
