"""Endpoints: their settings, their sealed headers and secrets, and an application with all that a fan-out needs."""

import logging
from typing import Any

import msgspec

from hookwright.domain.applications import Application
from hookwright.domain.endpoints import Endpoint, EndpointRecord, Options, SealedSecret
from hookwright.domain.pages import Page
from hookwright.errors import BadRequest, Conflict, NotFound, Unreadable
from hookwright.store import CHANGED
from hookwright.store.endpoints import (
    CreateEndpoint,
    DeleteEndpoint,
    FindEndpoint,
    FindEndpointRecord,
    ListEndpoints,
    LoadApplication,
    LoadedApplication,
    LoadEndpoint,
    RotateSecret,
    SetAccess,
    SetHeaders,
    UpdateEndpoint,
)
from hookwright.stores.sql import positions
from hookwright.stores.sql.db import Db, UniqueViolated, as_list
from hookwright.stores.sql.decoding import decoded, name_set, texts
from hookwright.stores.sql.health import begin_anew, begin_recovery, find_health
from hookwright.stores.sql.keysets import each, gather, keyset
from hookwright.stores.sql.registry import load_sql, reads, writes
from hookwright.stores.sql.transformations import drop_transformation, find_transformation

SQL = load_sql("endpoints")
log = logging.getLogger(__name__)
_SEALED = slice(-2, None)  # the last columns of the selects of one endpoint: headers, access
_OPTIONS = msgspec.json.Decoder(Options)


@writes(CreateEndpoint)
async def create(db: Db, command: CreateEndpoint) -> Endpoint:
    endpoint = command.record.endpoint
    of = {"application": endpoint.application}
    if await db.first(SQL.live_application, of) is None:
        raise NotFound
    if await _count(db, SQL.count, of) >= command.most:
        raise BadRequest(f"an application has at most {command.most} endpoints", code="limit_reached")
    values = _values(endpoint) | {
        "organization": endpoint.organization,
        "created_at": endpoint.created_at,
        "sealed_headers": command.record.sealed_headers,
        "sealed_access": command.record.sealed_access,
    }
    await _write_unique(db, SQL.insert, values)
    for secret in reversed(command.record.secrets):
        await _insert_secret(db, endpoint.id, secret)
    if endpoint.options.ordered:
        await positions.begin(db, endpoint.id)
    return endpoint


@writes(UpdateEndpoint)
async def update(db: Db, command: UpdateEndpoint) -> Endpoint:
    endpoint = command.endpoint
    current = await _find(db, endpoint.application, endpoint.id)
    if current is None:
        raise NotFound
    if command.expected is not None and current.endpoint != command.expected:
        raise Conflict("the endpoint was changed at the same moment by another request; read it and try again", code=CHANGED)
    await _write_unique(db, SQL.update, _values(endpoint))
    if current.endpoint.disabled_reason is not None and endpoint.disabled_reason is None:
        await begin_recovery(db, endpoint, was=current.endpoint.disabled_reason, now=endpoint.updated_at)
    elif endpoint.url != current.endpoint.url:
        await begin_anew(db, endpoint, endpoint.updated_at)
    if endpoint.options.ordered is not current.endpoint.options.ordered:
        await (positions.begin if endpoint.options.ordered else positions.end)(db, endpoint.id)
    return endpoint


@writes(DeleteEndpoint)
async def delete(db: Db, command: DeleteEndpoint) -> Endpoint:
    record = await _find(db, command.application, command.ref)
    if record is None:
        raise NotFound
    await db.run(SQL.delete, {"application": command.application, "id": record.endpoint.id, "now": command.now})
    await db.run(SQL.drop_secrets, {"endpoint": record.endpoint.id})
    await drop_transformation(db, record.endpoint.id)
    return record.endpoint


@writes(SetHeaders)
async def set_headers(db: Db, command: SetHeaders) -> None:
    await _replace_sealed(db, command, SQL.sealed_headers, SQL.set_headers)


@writes(SetAccess)
async def set_access(db: Db, command: SetAccess) -> None:
    await _replace_sealed(db, command, SQL.sealed_access, SQL.set_access)


async def _replace_sealed(db: Db, command: SetHeaders | SetAccess, find: str, replace: str) -> None:
    of = {"application": command.application, "id": command.endpoint}
    row = await db.first(find, of)
    if row is None:
        raise NotFound
    if row[0] != command.expected:
        raise Conflict("this was changed at the same moment by another request; read it and try again", code=CHANGED)
    await db.run(replace, of | {"sealed": command.sealed, "now": command.now})


@writes(RotateSecret)
async def rotate_secret(db: Db, command: RotateSecret) -> None:
    if await _find(db, command.application, command.endpoint) is None:
        raise NotFound
    of = {"endpoint": command.endpoint}
    if await _count(db, SQL.signing_secrets, of | {"now": command.now}) >= command.most:
        raise BadRequest(
            f"{command.most} old secrets of this endpoint still sign; wait until one of them has expired", code="limit_reached"
        )
    await db.run(SQL.retire_secret, of | {"expires_at": command.old_expires_at})
    await db.run(SQL.drop_expired_secrets, of | {"now": command.now})
    await _insert_secret(db, command.endpoint, command.secret)


@reads(FindEndpoint)
async def find(db: Db, query: FindEndpoint) -> Endpoint | None:
    record = await _find(db, query.application, query.ref, deleted=query.deleted)
    return record.endpoint if record is not None else None


@reads(FindEndpointRecord)
async def find_record(db: Db, query: FindEndpointRecord) -> EndpointRecord | None:
    record = await _find(db, query.application, query.ref)
    return await _with_secrets(db, record) if record is not None else None


@reads(ListEndpoints)
async def list_endpoints(db: Db, query: ListEndpoints) -> Page[Endpoint]:
    keys = keyset(query.page, "ep")
    values = {"application": query.application, "limit": query.page.limit + 1} | keys.range
    rows = await db.all(SQL.list_down if keys.down else SQL.list_up, values)
    return await gather(query.page, each([(row[1], to_endpoint(row)) for row in rows]))


@reads(LoadApplication)
async def load_application(db: Db, query: LoadApplication) -> LoadedApplication | None:
    row = await db.first(SQL.application, {"organization": query.organization, "ref": query.ref})
    if row is None:
        return None
    organization, ident, uid, name, metadata, throttle_rate, created_at, updated_at = row
    application = Application(
        id=ident,
        organization=organization,
        name=name,
        uid=uid,
        metadata=texts("metadata", metadata),
        throttle_rate=throttle_rate,
        created_at=created_at,
        updated_at=updated_at,
    )
    endpoints = await fan_out(db, application)
    filtered = any(endpoint.options.filter is not None for endpoint in endpoints)
    return LoadedApplication(application=application, endpoints=endpoints, filtered=filtered)


async def fan_out(db: Db, application: Application) -> tuple[Endpoint, ...]:
    """The live endpoints that are sent to; one by one only if they cannot be read together."""
    try:
        return tuple(map(to_endpoint, await db.all(SQL.fan_out, {"application": application.id})))
    except (Unreadable, UnicodeDecodeError):
        idents: Any = await db.all(SQL.live_ids, {"application": application.id})
        return tuple([await _as_far_as_readable(db, application, ident) for (ident,) in idents])


async def _as_far_as_readable(db: Db, application: Application, ident: str) -> Endpoint:
    """An endpoint whose filters nobody can read may want anything. Held until it is mended, nothing is lost (P1)."""
    try:
        return to_endpoint((await db.all(SQL.load, {"id": ident}))[0])
    except (Unreadable, UnicodeDecodeError) as error:
        log.error("endpoint %s cannot be read, every message of its application waits for it: %s", ident, error)
        return Endpoint(
            id=ident, application=application.id, organization=application.organization, url="", disabled_reason="manual",
            created_at=0, updated_at=0,
        )  # fmt: skip


@reads(LoadEndpoint)
async def load_endpoint(db: Db, query: LoadEndpoint) -> EndpointRecord | None:
    row = await db.first(SQL.load, {"id": query.id})
    if row is None:
        return None
    endpoint = to_endpoint(row)
    record = await _with_secrets(db, EndpointRecord(endpoint, (), *row[_SEALED]))
    rate: Any = await db.first(SQL.application_rate, {"application": endpoint.application})
    return msgspec.structs.replace(
        record, health=await find_health(db, query.id), application_rate=rate and rate[0],
        transformation=await find_transformation(db, query.id),
    )  # fmt: skip


async def endpoints_by_id(db: Db, application: str, ids: list[str]) -> dict[str, Endpoint]:
    """Those of `ids` that exist in the application, deleted ones too."""
    rows = await db.all(SQL.by_ids, {"application": application, "ids": as_list(ids)})
    return {endpoint.id: endpoint for endpoint in map(to_endpoint, rows)}


def to_endpoint(row: tuple[Any, ...]) -> Endpoint:
    """The value of a row, its columns in the order that `endpoints.sql` names them."""
    return Endpoint(
        application=row[0],
        id=row[1],
        organization=row[2],
        uid=row[3],
        kind=row[4],
        url=row[5],
        description=row[6],
        version=row[7],
        event_types=name_set("event_types", row[8]),
        channels=name_set("channels", row[9]),
        throttle_rate=row[10],
        metadata=texts("metadata", row[11]),
        disabled_reason=row[12],
        options=decoded(_OPTIONS, "options", row[13]),
        created_at=row[14],
        updated_at=row[15],
    )


def _values(endpoint: Endpoint) -> dict[str, Any]:
    """What a change may write."""
    return {
        "application": endpoint.application,
        "id": endpoint.id,
        "uid": endpoint.uid,
        "kind": endpoint.kind,
        "url": endpoint.url,
        "description": endpoint.description,
        "version": endpoint.version,
        "event_types": _json_set(endpoint.event_types),
        "channels": _json_set(endpoint.channels),
        "throttle_rate": endpoint.throttle_rate,
        "metadata": msgspec.json.encode(endpoint.metadata).decode(),
        "disabled_reason": endpoint.disabled_reason,
        "options": msgspec.json.encode(endpoint.options).decode(),
        "updated_at": endpoint.updated_at,
    }


def _json_set(names: frozenset[str] | None) -> str | None:
    return None if names is None else as_list(sorted(names))


async def _write_unique(db: Db, sql: str, values: dict[str, Any]) -> None:
    try:
        await db.run(sql, values)
    except UniqueViolated as error:
        if error.key != "endpoints_uid":
            raise
        raise Conflict(f"an endpoint with the uid {values['uid']!r} exists already in this application") from error


async def _insert_secret(db: Db, endpoint: str, secret: SealedSecret) -> None:
    values = {"endpoint": endpoint, "created_at": secret.created_at, "sealed": secret.sealed, "expires_at": secret.expires_at}
    await db.run(SQL.insert_secret, values)


async def _find(db: Db, application: str, ref: str, *, deleted: bool = False) -> EndpointRecord | None:
    """Without its secrets."""
    row = await db.first(SQL.find, {"application": application, "ref": ref, "deleted": deleted})
    return EndpointRecord(to_endpoint(row), (), *row[_SEALED]) if row is not None else None


async def _with_secrets(db: Db, record: EndpointRecord) -> EndpointRecord:
    rows = await db.all(SQL.secrets, {"endpoint": record.endpoint.id})
    return msgspec.structs.replace(record, secrets=tuple(SealedSecret(*row) for row in rows))


async def _count(db: Db, sql: str, values: dict[str, Any]) -> int:
    count: int = (await db.all(sql, values))[0][0]
    return count
