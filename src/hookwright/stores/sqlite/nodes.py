"""The node of a file: one at a time, the process that holds its lock."""

from hookwright.store.nodes import CloseNode, OpenNode, RenewLease, TakeOver
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, writes

SQL = load_sql("nodes", __package__)


@writes(OpenNode)
async def open_node(db: Db, command: OpenNode) -> int:
    return int((await db.all(SQL.open_node, (command.now,)))[0][0])


@writes(RenewLease)
async def renew(db: Db, command: RenewLease) -> bool:
    return await db.first(SQL.alive, (command.owner,)) is not None


@writes(TakeOver)
async def take_over(db: Db, command: TakeOver) -> int:
    await db.run(SQL.end_others, (command.owner,))
    return await db.run(SQL.take_over, (command.owner,))


@writes(CloseNode)
async def close_node(db: Db, command: CloseNode) -> int:
    await db.run(SQL.end, (command.owner,))
    return await db.run(SQL.close, (command.owner,))
