"""Event types."""

from typing import Any

import apsw
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
from hookwright.stores.sqlite.keysets import gather
from hookwright.stores.sqlite.registry import load_sql, reads, writes

SQL = load_sql("event_types")
_BEYOND = "~"  # sorts after every name


@writes(CreateEventType)
def create(db: apsw.Connection, command: CreateEventType) -> EventType:
    current = _find(db, command.event_type.organization, command.event_type.name)
    if current is not None and not current.archived:
        raise Conflict(f"an event type with the name {current.name!r} exists already", code="event_type_exists")
    return _put(db, current, command.event_type)


@writes(PutEventType)
def put(db: apsw.Connection, command: PutEventType) -> tuple[EventType, bool]:
    current = _find(db, command.event_type.organization, command.event_type.name)
    if command.expected is not None and current is None:
        raise NotFound
    if command.expected is not None and current != command.expected:
        raise Conflict("the event type was changed at the same moment by another request; read it and try again", code=CHANGED)
    return _put(db, current, command.event_type), current is None


@writes(DeleteEventType)
def delete(db: apsw.Connection, command: DeleteEventType) -> None:
    values: dict[str, Any] = {"organization": command.organization, "name": command.name}
    if command.expunge:
        row = db.execute(SQL.expunge, values).fetchone()
    else:
        row = db.execute(SQL.archive, values | {"now": command.now}).fetchone()
    if row is None:
        raise NotFound


@reads(FindEventType)
def find(db: apsw.Connection, query: FindEventType) -> EventType | None:
    return _find(db, query.organization, query.name)


@reads(ListEventTypes)
def list_event_types(db: apsw.Connection, query: ListEventTypes) -> Page[EventType]:
    page = query.page
    down = (page.order == "descending") != page.backwards
    low = page.cursor if page.cursor is not None and not down else ""
    high = page.cursor if page.cursor is not None and down else _BEYOND
    rows = db.execute(SQL.list_down if down else SQL.list_up, {"organization": query.organization, "low": low, "high": high})

    def shown(event_type: EventType) -> bool:
        return (query.include_archived or not event_type.archived) and visible(event_type, query.feature_flags)

    return gather(page, ((found.name, found if shown(found) else None) for found in map(_to_event_type, rows)))


@reads(UnknownEventTypes)
def unknown(db: apsw.Connection, query: UnknownEventTypes) -> list[str]:
    values = {"organization": query.organization, "names": msgspec.json.encode(sorted(query.names)).decode()}
    return [row[0] for row in db.execute(SQL.unknown, values)]


def _find(db: apsw.Connection, organization: str, name: str) -> EventType | None:
    row = db.execute(SQL.find, {"organization": organization, "name": name}).fetchone()
    return None if row is None else _to_event_type(row)


def _put(db: apsw.Connection, current: EventType | None, new: EventType) -> EventType:
    kept = new if current is None else msgspec.structs.replace(new, created_at=current.created_at)
    values = msgspec.structs.asdict(kept) | {
        "schemas": None if kept.schemas is None else msgspec.json.encode(kept.schemas).decode(),
        "feature_flags": msgspec.json.encode(kept.feature_flags).decode(),
    }
    if current is not None:
        del values["created_at"]
    db.execute(SQL.insert if current is None else SQL.update, values)
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
