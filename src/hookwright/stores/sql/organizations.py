"""Organizations, their API keys, and ended tokens."""

from typing import Any

import msgspec

from hookwright.domain.credentials import ApiKey, Revocation
from hookwright.errors import NotFound
from hookwright.store.organizations import (
    CreateApiKey,
    EnsureOrganization,
    FindApiKey,
    HasOrganizations,
    KeepAnswer,
    ListApiKeys,
    ListRevocations,
    Revoke,
    RevokeApiKey,
)
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("organizations")


@writes(EnsureOrganization)
async def ensure(db: Db, command: EnsureOrganization) -> None:
    await db.run(SQL.ensure, msgspec.structs.asdict(command))


@writes(CreateApiKey)
async def create_key(db: Db, command: CreateApiKey) -> ApiKey:
    values = msgspec.structs.asdict(command.key)
    await db.run(SQL.insert_key, values | {"scopes": msgspec.json.encode(command.key.scopes).decode()})
    return command.key


@writes(RevokeApiKey)
async def revoke_key(db: Db, command: RevokeApiKey) -> ApiKey:
    row = await db.first(SQL.revoke_key, msgspec.structs.asdict(command))
    if row is None:
        raise NotFound
    return _to_key(row)


@writes(Revoke)
async def revoke(db: Db, command: Revoke) -> None:
    for revocation in command.revocations:
        values = msgspec.structs.asdict(revocation)
        covered = {name: value for name, value in values.items() if name != "forget_at"}
        await db.run(SQL.drop_covered_revocations, covered)
        await db.run(SQL.insert_revocation, values)


@reads(FindApiKey)
async def find_key(db: Db, query: FindApiKey) -> ApiKey | None:
    row = await db.first(SQL.find_key, {"id": query.id})
    return None if row is None else _to_key(row)


@reads(ListApiKeys)
async def list_keys(db: Db, query: ListApiKeys) -> list[ApiKey]:
    return [_to_key(row) for row in await db.all(SQL.list_keys, {"organization": query.organization})]


@reads(ListRevocations)
async def list_revocations(db: Db, query: ListRevocations) -> list[Revocation]:
    return [
        Revocation(
            organization=row[0],
            application=row[1],
            session_id=row[2],
            credential=row[3],
            issued_until=row[4],
            effective_at=row[5],
            forget_at=row[6],
        )
        for row in await db.all(SQL.list_revocations, {"now": query.now})
    ]


def _to_key(row: tuple[Any, ...]) -> ApiKey:
    return ApiKey(
        id=row[0],
        organization=row[1],
        name=row[2],
        digest=row[3],
        scopes=tuple(msgspec.json.decode(row[4])),
        created_at=row[5],
        expires_at=row[6],
        revoked_at=row[7],
    )


@reads(HasOrganizations)
async def has_organizations(db: Db, query: HasOrganizations) -> bool:
    return await db.first(SQL.any_organization) is not None


@writes(KeepAnswer)
async def keep_answer(db: Db, command: KeepAnswer) -> None:
    """The group keeps the answer beside what this did, which is nothing."""
