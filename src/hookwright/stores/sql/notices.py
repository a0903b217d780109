"""The outbox of operational webhooks, and the application that has their endpoints.

Guards that nothing loops: notices are made of what the view `watched` shows, in which operational endpoints are not.
"""

from typing import Any

import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.notices import LastAttempt, Notice
from hookwright.store.deliveries import Settlement
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.notices import EnsureOperational, FindOperational, ListNotices, LoadOperational, RemoveNotices
from hookwright.stores.sql.applications import to_application
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.endpoints import fan_out
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("notices")


async def note_attempt(db: Db, settlement: Settlement) -> None:
    """What the settlement says is to be told; it was applied in this transaction."""
    attempt = settlement.attempt
    assert attempt is not None and settlement.notice is not None
    values = {
        "kind": settlement.notice,
        "application": attempt.application,
        "endpoint": settlement.key.endpoint,
        "message": settlement.key.message,
        "attempt": attempt.id,
        "response_status": attempt.response_status,
        "attempted_at": attempt.started_at,
    }
    await db.run(SQL.attempt, values)


@writes(EnsureOperational)
async def ensure(db: Db, command: EnsureOperational) -> Application:
    new = command.application
    found = await _find(db, new.organization)
    if found is not None:
        return found
    await db.run(SQL.make_operational, {name: getattr(new, name) for name in ("organization", "id", "name", "created_at", "updated_at")})
    return new


@reads(FindOperational)
async def find(db: Db, query: FindOperational) -> Application | None:
    return await _find(db, query.organization)


@reads(LoadOperational)
async def load(db: Db, query: LoadOperational) -> LoadedApplication | None:
    found = await _find(db, query.organization)
    return None if found is None else LoadedApplication(application=found, endpoints=await fan_out(db, found))


@reads(ListNotices)
async def list_notices(db: Db, query: ListNotices) -> list[Notice]:
    return [_to_notice(row) for row in await db.all(SQL.list, {"after": query.after, "limit": query.limit})]


@writes(RemoveNotices)
async def remove(db: Db, command: RemoveNotices) -> None:
    await db.run(SQL.remove, {"ids": msgspec.json.encode(command.ids).decode()})


async def _find(db: Db, organization: str) -> Application | None:
    row = await db.first(SQL.operational, {"organization": organization})
    return None if row is None else to_application(row)


def _to_notice(row: tuple[Any, ...]) -> Notice:
    return Notice(
        id=row[0],
        organization=row[1],
        application=row[2],
        application_uid=row[3],
        endpoint=row[4],
        endpoint_uid=row[5],
        kind=row[6],
        reason=row[7],
        fail_since=row[8],
        percent=row[9],
        message=row[10],
        event_id=row[11],
        attempt=None if row[12] is None else LastAttempt(row[12], row[13], row[14]),
    )
