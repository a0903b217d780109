"""How far messages can be read without skipping one, and how far each consumer of a polling endpoint has read."""

from hookwright.errors import BadRequest, Conflict, NotFound
from hookwright.store.pollers import FindConsumer, FindHorizon, MarkConsumer
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("pollers")


@reads(FindHorizon)
async def horizon(db: Db, query: FindHorizon) -> int | None:
    row = await db.first(SQL.horizon, {"settling_ms": query.settling_ms})
    return None if row is None else row[0]


@reads(FindConsumer)
async def find(db: Db, query: FindConsumer) -> str | None:
    return await _mark(db, query.endpoint, query.consumer)


@writes(MarkConsumer)
async def mark(db: Db, command: MarkConsumer) -> str:
    of = {"endpoint": command.endpoint}
    if await db.first(SQL.live_endpoint, of | {"application": command.application}) is None:
        raise NotFound
    current = await _mark(db, command.endpoint, command.consumer)
    if current is None and len(await db.all(SQL.some, of | {"limit": command.most})) == command.most:
        raise BadRequest(f"an endpoint has at most {command.most} consumers", code="limit_reached")
    if current is not None and command.mark < current and not command.back:
        raise Conflict(
            "this consumer has read further already; go on without an iterator, or seek", code="consumer_ahead"
        )  # fmt: skip
    await db.run(SQL.mark, of | {"consumer": command.consumer, "mark": command.mark, "now": command.now})
    return command.mark


async def _mark(db: Db, endpoint: str, consumer: str) -> str | None:
    row = await db.first(SQL.find, {"endpoint": endpoint, "consumer": consumer})
    return None if row is None else str(row[0])
