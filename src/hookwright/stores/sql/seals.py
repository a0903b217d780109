"""What lies sealed: endpoints' secrets, headers, variables and what lets us in there, and answers that showed a secret."""

from collections.abc import AsyncIterator

from hookwright.store.seals import Kind, ListSeals, ReplaceSeals, SampleSeals, Seal
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.registry import load_sql, reads, writes
from hookwright.stores.sql.streams import take

SQL = load_sql("seals")
_LIST: dict[Kind, str] = {
    "access": SQL.list_access, "answer": SQL.list_answers, "headers": SQL.list_headers, "secret": SQL.list_secrets,
    "variables": SQL.list_variables,
}  # fmt: skip
_REPLACE: dict[Kind, str] = {
    "access": SQL.replace_access, "answer": SQL.replace_answer, "headers": SQL.replace_headers, "secret": SQL.replace_secret,
    "variables": SQL.replace_variables,
}  # fmt: skip


@reads(SampleSeals)
async def sample(db: Db, query: SampleSeals) -> list[Seal]:
    return [Seal(*row) for row in await db.all(SQL.sample, {"limit": query.limit})]


@reads(ListSeals)
async def list_seals(db: Db, query: ListSeals) -> list[Seal]:
    return [seal async for seal in take(seals_after(db, query.after), query.limit)]


@writes(ReplaceSeals)
async def replace(db: Db, command: ReplaceSeals) -> None:
    for seal, new in command.changes:
        await db.run(_REPLACE[seal.kind], {"owner": seal.owner, "position": seal.position, "old": seal.sealed, "new": new})


async def seals_after(db: Db, mark: Seal | None = None) -> AsyncIterator[Seal]:
    """Every one that comes after `mark`, read as it is asked for: by kind, owner, position."""
    for kind, sql in sorted(_LIST.items()):
        if mark is not None and kind < mark.kind:
            continue
        owner, position = (mark.owner, mark.position) if mark is not None and kind == mark.kind else ("", 0)
        async for row in db.each(sql, {"owner": owner, "position": position}):
            yield Seal(kind, *row)
