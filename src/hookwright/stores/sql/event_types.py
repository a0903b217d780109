"""Event types."""

from typing import Any

import msgspec

from hookwright.domain.event_types import EventType, visible
from hookwright.domain.pages import Page
from hookwright.errors import Conflict, NotFound
from hookwright.store import CHANGED
from hookwright.store.event_types import (
    CreateEventType,
    DeleteEventType,
    FindEventType,
    ListEventTypes,
    PutEventType,
    UnknownEventTypes,
)
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.keysets import budget, gather
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("event_types")
_BEYOND = "~"  # sorts after every name


@writes(CreateEventType)
async def create(db: Db, command: CreateEventType) -> EventType:
    current = await _find(db, command.event_type.organization, command.event_type.name)
    if current is not None and not current.archived:
        raise Conflict(f"an event type with the name {current.name!r} exists already", code="event_type_exists")
    return await _put(db, current, command.event_type)


@writes(PutEventType)
async def put(db: Db, command: PutEventType) -> tuple[EventType, bool]:
    current = await _find(db, command.event_type.organization, command.event_type.name)
    if command.expected is not None and current is None:
        raise NotFound
    if command.expected is not None and current != command.expected:
        raise Conflict("the event type was changed at the same moment by another request; read it and try again", code=CHANGED)
    return await _put(db, current, command.event_type), current is None


@writes(DeleteEventType)
async def delete(db: Db, command: DeleteEventType) -> None:
    values: dict[str, Any] = {"organization": command.organization, "name": command.name}
    if command.expunge:
        row = await db.first(SQL.expunge, values)
    else:
        row = await db.first(SQL.archive, values | {"now": command.now})
    if row is None:
        raise NotFound


@reads(FindEventType)
async def find(db: Db, query: FindEventType) -> EventType | None:
    return await _find(db, query.organization, query.name)


@reads(ListEventTypes)
async def list_event_types(db: Db, query: ListEventTypes) -> Page[EventType]:
    page = query.page
    down = (page.order == "descending") != page.backwards
    low = page.cursor if page.cursor is not None and not down else ""
    high = page.cursor if page.cursor is not None and down else _BEYOND
    values = {"organization": query.organization, "low": low, "high": high, "limit": budget(page)}
    rows = db.each(SQL.list_down if down else SQL.list_up, values)

    def shown(event_type: EventType) -> bool:
        return (query.include_archived or not event_type.archived) and visible(event_type, query.feature_flags)

    event_types = (_to_event_type(row) async for row in rows)
    return await gather(page, ((found.name, found if shown(found) else None) async for found in event_types))


@reads(UnknownEventTypes)
async def unknown(db: Db, query: UnknownEventTypes) -> list[str]:
    values = {"organization": query.organization, "names": as_list(sorted(query.names))}
    return [row[0] for row in await db.all(SQL.unknown, values)]


async def _find(db: Db, organization: str, name: str) -> EventType | None:
    row = await db.first(SQL.find, {"organization": organization, "name": name})
    return None if row is None else _to_event_type(row)


async def _put(db: Db, current: EventType | None, new: EventType) -> EventType:
    kept = new if current is None else msgspec.structs.replace(new, created_at=current.created_at)
    values = msgspec.structs.asdict(kept) | {
        "schemas": None if kept.schemas is None else msgspec.json.encode(kept.schemas).decode(),
        "feature_flags": msgspec.json.encode(kept.feature_flags).decode(),
    }
    if current is not None:
        del values["created_at"]
    await db.run(SQL.insert if current is None else SQL.update, values)
    return kept


def _to_event_type(row: tuple[Any, ...]) -> EventType:
    return EventType(
        organization=row[0],
        name=row[1],
        description=row[2],
        archived=bool(row[3]),
        deprecated=bool(row[4]),
        schemas=None if row[5] is None else msgspec.json.decode(row[5]),
        feature_flags=tuple(msgspec.json.decode(row[6])),
        group_name=row[7],
        created_at=row[8],
        updated_at=row[9],
    )
