"""A command that happens once per idempotency key: the key is kept in the transaction of what it did."""

from typing import Any

from hookwright.errors import Invalid
from hookwright.store import Command, Once, Remembered
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import Handler, load_sql

SQL = load_sql("idempotency_keys")


async def perform(db: Db, handler: Handler, command: Command[Any], once: Once[Any] | None) -> Any:
    """Carry a command out by its handler, or find what an earlier request with its key was answered (Remembered).

    Raises what the command raises, and Invalid when the key was used for another request.
    """
    if once is None:
        return await handler(db, command)
    kept = await db.first(SQL.find, (once.key, once.now))
    if kept is not None:
        return repeated(once, *kept)
    result = await handler(db, command)
    await db.run(SQL.keep, (once.key, once.fingerprint, once.remember(result), once.expires_at))
    return result


def repeated(once: Once[Any], fingerprint: bytes, answer: bytes) -> Remembered:
    """The answer to a request whose key is kept with this fingerprint. Raises Invalid."""
    if fingerprint != once.fingerprint:
        raise Invalid.at("header", "idempotency-key", msg="this key was used with another request body; use a new key for a new request")
    return Remembered(answer)
