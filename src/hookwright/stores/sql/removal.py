"""Removing whole messages by age, and all that deleted applications and endpoints leave behind; in slices.

Of each message its own row goes last, and so does an application's: while it is there, the next slice finds the rest.
"""

from typing import Any

from hookwright import ids
from hookwright.store.retention import Erase, Maintain, Place, RemoveMessages, RemoveRecords
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, writes
from hookwright.stores.sql.retention import remove_contents

SQL = load_sql("removal")
HOUR = 3_600_000
OF_APPLICATION = (SQL.application_event_ids, SQL.application_recovers, SQL.application_tasks, SQL.application_notices)
"""What an application may have many of, besides messages and endpoints."""
OF_ENDPOINT = (
    SQL.endpoint_attempts, SQL.endpoint_outcomes, SQL.endpoint_counters, SQL.endpoint_recovers, SQL.endpoint_tasks,
    SQL.endpoint_consumers,
)  # fmt: skip
"""What an endpoint may have many of."""
ONE_OF_ENDPOINT = (SQL.endpoint_secrets, SQL.endpoint_health, SQL.endpoint_position, SQL.endpoint_rate, SQL.endpoint_transformation)
"""What it has one of, or a few."""
SEEKS = 50
"""Applications that one slice looks into: thousands that have nothing old must not make one long slice."""


@writes(Maintain)
async def maintain(db: Db, command: Maintain) -> bool:
    """Nothing is kept by days."""
    return False


@writes(RemoveMessages)
async def remove_messages(db: Db, command: RemoveMessages) -> Place | None:
    before, left, looked, place = f"msg_{ids.floor(command.before)}", command.limit, 0, command.after
    for _ in range(SEEKS):
        asked = left
        of = {"application": place.application, "message": place.message, "before": before, "limit": asked}
        rows: Any = await db.all(SQL.old_messages, of)
        for message, event_id, needed in rows:
            if not needed:
                left -= await _remove_message(db, place.application, message, event_id, left)
                if left <= 0:
                    return place  # the message may be unfinished: the next slice begins with it
            place = Place(place.application, message)
        looked += len(rows)
        if looked >= command.limit:
            break
        if len(rows) < asked:
            following: Any = (await db.all(SQL.next_application, {"application": place.application}))[0][0]
            if following is None:
                return None
            place = Place(following)
    return place


async def _remove_message(db: Db, application: str, message: str, event_id: str | None, limit: int) -> int:
    """Up to `limit` rows and a few more of it; its own, if that leaves no others. It has no live deliveries."""
    of = {"application": application, "message": message}
    removed = await _remove(db, (SQL.remove_attempts, SQL.remove_outcomes), of, limit)
    if removed < limit:
        removed += await remove_contents(db, [message])
        if event_id is not None:
            removed += await db.run(SQL.remove_event_id, of | {"event_id": event_id})
        removed += await db.run(SQL.remove_message, of)
    return removed


@writes(RemoveRecords)
async def remove_records(db: Db, command: RemoveRecords) -> int:
    removed = await db.run(SQL.remove_counters, {"hour": command.before // HOUR, "limit": command.limit})
    for sql in (SQL.remove_recovers, SQL.remove_tasks):
        removed += await db.run(sql, {"before": command.before, "limit": command.limit})
    return removed


@writes(Erase)
async def erase(db: Db, command: Erase) -> int:
    row: Any = await db.first(SQL.deleted_application, {"before": command.before})
    if row is not None:
        organization, application = row
        return await _erase_application(db, organization, application, command.limit)
    row = None if command.old is None else await db.first(SQL.old_endpoint, {"old": command.old})
    if row is None:
        return 0
    application, endpoint = row
    return await _erase_endpoint(db, application, endpoint, command.limit)


async def _erase_application(db: Db, organization: str, application: str, limit: int) -> int:
    of, left = {"organization": organization, "application": application}, limit
    rows: Any = await db.all(SQL.messages_of, of | {"limit": limit})
    for message, event_id in rows:
        left -= await _remove_message(db, application, message, event_id, left)
        if left <= 0:
            return limit - left
    while (endpoint := await db.first(SQL.endpoint_of, of)) is not None:
        left -= await _erase_endpoint(db, application, str(endpoint[0]), left)
        if left <= 0:
            return limit - left
    left -= await _remove(db, OF_APPLICATION, of, left)
    if left <= 0:
        return limit - left
    left -= await db.run(SQL.application_revocations, of)
    left -= await db.run(SQL.application_rate, of)
    return limit - left + await db.run(SQL.application, of)


async def _erase_endpoint(db: Db, application: str, endpoint: str, limit: int) -> int:
    """Up to `limit` rows and a few more of it; its own, if that leaves no others."""
    of = {"application": application, "endpoint": endpoint}
    removed = await _remove(db, OF_ENDPOINT, of, limit)
    if removed < limit:
        for sql in ONE_OF_ENDPOINT:
            removed += await db.run(sql, of)
        removed += await db.run(SQL.endpoint, of)
    return removed


async def _remove(db: Db, statements: tuple[str, ...], of: dict[str, str], limit: int) -> int:
    """Up to `limit` rows by these statements together; how many it was. Less means that there are no more."""
    removed = 0
    for sql in statements:
        if removed < limit:
            removed += await db.run(sql, of | {"limit": limit - removed})
    return removed
