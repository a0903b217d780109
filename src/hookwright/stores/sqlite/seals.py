"""What lies sealed: endpoints' secrets and headers, and answers that showed a secret."""

from collections.abc import Iterator
from itertools import islice

import apsw

from hookwright.store.seals import Kind, ListSeals, ReplaceSeals, SampleSeals, Seal
from hookwright.stores.sqlite.registry import load_sql, reads, writes

SQL = load_sql("seals")
_LIST: dict[Kind, str] = {"answer": SQL.list_answers, "headers": SQL.list_headers, "secret": SQL.list_secrets}
_REPLACE: dict[Kind, str] = {"answer": SQL.replace_answer, "headers": SQL.replace_headers, "secret": SQL.replace_secret}


@reads(SampleSeals)
def sample(db: apsw.Connection, query: SampleSeals) -> list[Seal]:
    return [Seal(*row) for row in db.execute(SQL.sample, {"limit": query.limit})]


@reads(ListSeals)
def list_seals(db: apsw.Connection, query: ListSeals) -> list[Seal]:
    return list(islice(seals_after(db, query.after), query.limit))


@writes(ReplaceSeals)
def replace(db: apsw.Connection, command: ReplaceSeals) -> None:
    for seal, new in command.changes:
        db.execute(_REPLACE[seal.kind], {"owner": seal.owner, "position": seal.position, "old": seal.sealed, "new": new})


def seals_after(db: apsw.Connection, mark: Seal | None = None) -> Iterator[Seal]:
    """Every one that comes after `mark`, read as it is asked for: by kind, owner, position."""
    for kind, sql in sorted(_LIST.items()):
        if mark is not None and kind < mark.kind:
            continue
        owner, position = (mark.owner, mark.position) if mark is not None and kind == mark.kind else ("", 0)
        for row in db.execute(sql, {"owner": owner, "position": position}):
            yield Seal(kind, *row)
