"""Applications."""

from typing import Any

import apsw
import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.pages import Page
from hookwright.errors import Conflict, NotFound
from hookwright.store import CHANGED
from hookwright.store.applications import CreateApplication, DeleteApplication, FindApplication, ListApplications, UpdateApplication
from hookwright.stores.sqlite.decoding import texts
from hookwright.stores.sqlite.keysets import gather, keyset
from hookwright.stores.sqlite.registry import load_sql, reads, writes

SQL = load_sql("applications")


@writes(CreateApplication)
def create(db: apsw.Connection, command: CreateApplication) -> tuple[Application, bool]:
    application = command.application
    if command.get_if_exists and application.uid is not None:
        existing = _find(db, application.organization, application.uid)
        if existing is not None:
            return existing, False
    _write_unique(db, SQL.insert, application)
    return application, True


@writes(UpdateApplication)
def update(db: apsw.Connection, command: UpdateApplication) -> Application:
    current = _find(db, command.application.organization, command.application.id)
    if current is None:
        raise NotFound
    if command.expected is not None and command.expected != current:
        raise Conflict("the application was changed at the same moment by another request; read it and try again", code=CHANGED)
    _write_unique(db, SQL.update, command.application)
    return command.application


@writes(DeleteApplication)
def delete(db: apsw.Connection, command: DeleteApplication) -> Application:
    application = _find(db, command.organization, command.ref)
    if application is None:
        raise NotFound
    db.execute(SQL.delete, {"organization": application.organization, "id": application.id, "now": command.now})
    db.execute(SQL.delete_endpoints, {"application": application.id, "now": command.now})
    return application


@reads(FindApplication)
def find(db: apsw.Connection, query: FindApplication) -> Application | None:
    return _find(db, query.organization, query.ref)


@reads(ListApplications)
def list_applications(db: apsw.Connection, query: ListApplications) -> Page[Application]:
    keys = keyset(query.page, "app")
    values = {"organization": query.organization, "low": keys.low, "high": keys.high}
    rows = map(_to_application, db.execute(SQL.list_down if keys.down else SQL.list_up, values))
    return gather(query.page, ((application.id, application) for application in rows))


def _find(db: apsw.Connection, organization: str, ref: str) -> Application | None:
    row = db.execute(SQL.find, {"organization": organization, "ref": ref}).fetchone()
    return None if row is None else _to_application(row)


def _write_unique(db: apsw.Connection, sql: str, application: Application) -> None:
    values = msgspec.structs.asdict(application) | {"metadata": msgspec.json.encode(application.metadata).decode()}
    if sql is SQL.update:
        del values["created_at"]
    try:
        db.execute(sql, values)
    except apsw.ConstraintError as error:
        if "applications.uid" not in str(error):
            raise
        raise Conflict(f"an application with the uid {application.uid!r} exists already") from error


def _to_application(row: tuple[Any, ...]) -> Application:
    return Application(
        organization=row[0],
        id=row[1],
        uid=row[2],
        name=row[3],
        metadata=texts("metadata", row[4]),
        throttle_rate=row[5],
        created_at=row[6],
        updated_at=row[7],
    )
