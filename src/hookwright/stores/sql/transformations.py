"""Transformations of endpoints."""

from typing import Any

from msgspec import UNSET

from hookwright.domain.transformations import SealedTransformation
from hookwright.errors import NotFound
from hookwright.store.transformations import ChangeTransformation, FindTransformation
from hookwright.stores.sql.db import Db, Row
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("transformations")


@writes(ChangeTransformation)
async def change(db: Db, command: ChangeTransformation) -> SealedTransformation:
    of = {"application": command.application, "endpoint": command.endpoint}
    if await db.first(SQL.endpoint_alive, of) is None:
        raise NotFound
    row: Any = await db.first(
        SQL.change,
        {
            "endpoint": command.endpoint, "code": command.code, "enabled": None if command.enabled is None else int(command.enabled),
            "variables": None if command.variables is UNSET else command.variables, "with_variables": command.variables is not UNSET,
            "now": command.now,
        },
    )  # fmt: skip
    return to_transformation(row)


@reads(FindTransformation)
async def find(db: Db, query: FindTransformation) -> SealedTransformation | None:
    return await find_transformation(db, query.endpoint)


async def find_transformation(db: Db, endpoint: str) -> SealedTransformation | None:
    row = await db.first(SQL.find, {"endpoint": endpoint})
    return None if row is None else to_transformation(row)


async def drop_transformation(db: Db, endpoint: str) -> None:
    await db.run(SQL.drop, {"endpoint": endpoint})


def to_transformation(row: Row) -> SealedTransformation:
    """The value of a row, its columns in the order that `transformations.sql` names them."""
    code, enabled, variables, updated_at = row
    return SealedTransformation(code=code, enabled=bool(enabled), sealed_variables=variables, updated_at=updated_at)
