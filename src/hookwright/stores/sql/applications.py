"""Applications."""

from typing import Any

import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.pages import Page
from hookwright.errors import Conflict, NotFound
from hookwright.store import CHANGED
from hookwright.store.applications import CreateApplication, DeleteApplication, FindApplication, ListApplications, UpdateApplication
from hookwright.stores.sql.db import Db, UniqueViolated
from hookwright.stores.sql.decoding import texts
from hookwright.stores.sql.keysets import each, gather, keyset
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("applications")


@writes(CreateApplication)
async def create(db: Db, command: CreateApplication) -> tuple[Application, bool]:
    application = command.application
    if command.get_if_exists and application.uid is not None:
        existing = await _find(db, application.organization, application.uid)
        if existing is not None:
            return existing, False
    await _write_unique(db, SQL.insert, application)
    return application, True


@writes(UpdateApplication)
async def update(db: Db, command: UpdateApplication) -> Application:
    current = await _find(db, command.application.organization, command.application.id)
    if current is None:
        raise NotFound
    if command.expected is not None and command.expected != current:
        raise Conflict("the application was changed at the same moment by another request; read it and try again", code=CHANGED)
    await _write_unique(db, SQL.update, command.application)
    return command.application


@writes(DeleteApplication)
async def delete(db: Db, command: DeleteApplication) -> Application:
    application = await _find(db, command.organization, command.ref)
    if application is None:
        raise NotFound
    await db.run(SQL.delete, {"organization": application.organization, "id": application.id, "now": command.now})
    await db.run(SQL.drop_secrets, {"application": application.id})
    await db.run(SQL.delete_endpoints, {"application": application.id, "now": command.now})
    return application


@reads(FindApplication)
async def find(db: Db, query: FindApplication) -> Application | None:
    return await _find(db, query.organization, query.ref)


@reads(ListApplications)
async def list_applications(db: Db, query: ListApplications) -> Page[Application]:
    keys = keyset(query.page, "app")
    values = {"organization": query.organization, "limit": query.page.limit + 1} | keys.range
    rows = await db.all(SQL.list_down if keys.down else SQL.list_up, values)
    return await gather(query.page, each([(row[1], to_application(row)) for row in rows]))


async def _find(db: Db, organization: str, ref: str) -> Application | None:
    row = await db.first(SQL.find, {"organization": organization, "ref": ref})
    return None if row is None else to_application(row)


async def _write_unique(db: Db, sql: str, application: Application) -> None:
    values = msgspec.structs.asdict(application) | {"metadata": msgspec.json.encode(application.metadata).decode()}
    if sql is SQL.update:
        del values["created_at"]
    try:
        await db.run(sql, values)
    except UniqueViolated as error:
        if error.key != "applications_uid":
            raise
        raise Conflict(f"an application with the uid {application.uid!r} exists already") from error


def to_application(row: tuple[Any, ...]) -> Application:
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
