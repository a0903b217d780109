"""Organizations, their API keys, and ended tokens."""

from typing import Any

import apsw
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
from hookwright.stores.sqlite.registry import load_sql, reads, writes

SQL = load_sql("organizations")


@writes(EnsureOrganization)
def ensure(db: apsw.Connection, command: EnsureOrganization) -> None:
    db.execute(SQL.ensure, msgspec.structs.asdict(command))


@writes(CreateApiKey)
def create_key(db: apsw.Connection, command: CreateApiKey) -> ApiKey:
    values = msgspec.structs.asdict(command.key)
    db.execute(SQL.insert_key, values | {"scopes": msgspec.json.encode(command.key.scopes).decode()})
    return command.key


@writes(RevokeApiKey)
def revoke_key(db: apsw.Connection, command: RevokeApiKey) -> ApiKey:
    row = db.execute(SQL.revoke_key, msgspec.structs.asdict(command)).fetchone()
    if row is None:
        raise NotFound
    return _to_key(row)


@writes(Revoke)
def revoke(db: apsw.Connection, command: Revoke) -> None:
    for revocation in command.revocations:
        values = msgspec.structs.asdict(revocation)
        covered = {name: value for name, value in values.items() if name != "forget_at"}
        db.execute(SQL.drop_covered_revocations, covered)
        db.execute(SQL.insert_revocation, values)


@reads(FindApiKey)
def find_key(db: apsw.Connection, query: FindApiKey) -> ApiKey | None:
    row = db.execute(SQL.find_key, {"id": query.id}).fetchone()
    return None if row is None else _to_key(row)


@reads(ListApiKeys)
def list_keys(db: apsw.Connection, query: ListApiKeys) -> list[ApiKey]:
    return [_to_key(row) for row in db.execute(SQL.list_keys, {"organization": query.organization})]


@reads(ListRevocations)
def list_revocations(db: apsw.Connection, query: ListRevocations) -> list[Revocation]:
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
        for row in db.execute(SQL.list_revocations, {"now": query.now})
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
def has_organizations(db: apsw.Connection, query: HasOrganizations) -> bool:
    return db.execute(SQL.any_organization).fetchone() is not None


@writes(KeepAnswer)
def keep_answer(db: apsw.Connection, command: KeepAnswer) -> None:
    """The group keeps the answer beside what this did, which is nothing."""
