"""Recover: failed deliveries of one endpoint get a new round each, in slices that survive a restart.

The mark moves in the transaction that adds the rounds, so a slice happens once, whole, or not at all.
"""

from typing import Any

import apsw

from hookwright import ids
from hookwright.domain.deliveries import Delivery, Key, Trigger
from hookwright.errors import NotFound
from hookwright.store.deliveries import ContinueRecovers, OpenRecovers, StartRecover
from hookwright.stores.sqlite.messages import insert_delivery
from hookwright.stores.sqlite.registry import load_sql, reads, writes

SQL = load_sql("recovers")
TASKS_PER_SLICE = 8


@writes(StartRecover)
def start(db: apsw.Connection, command: StartRecover) -> None:
    if db.execute(SQL.endpoint_alive, (command.application, command.endpoint)).fetchone() is None:
        raise NotFound
    after, until = (f"msg_{ids.floor(at)}" for at in (command.since, command.until))
    db.execute(SQL.start, (command.task, command.application, command.endpoint, after, until, command.now))


@reads(OpenRecovers)
def open_recovers(db: apsw.Connection, query: OpenRecovers) -> int:
    count: Any = db.execute(SQL.open_count).fetchall()[0][0]
    return int(count)


@writes(ContinueRecovers)
def continue_recovers(db: apsw.Connection, command: ContinueRecovers) -> list[str]:
    touched: set[str] = set()
    tasks: Any = db.execute(SQL.open_tasks, (TASKS_PER_SLICE,)).fetchall()
    for task, application, endpoint, after, until in tasks:
        alive = db.execute(SQL.endpoint_alive, (application, endpoint)).fetchone() is not None
        rows: Any = db.execute(SQL.candidates, (endpoint, after, until, command.limit)).fetchall() if alive else []
        for row in rows:
            if _again(db, command, application, endpoint, row):
                touched.add(endpoint)
        finished = len(rows) < command.limit
        mark = rows[-1][0] + "0" if rows else after  # the smallest text after that message's id
        db.execute(SQL.move_mark, (mark, command.now if finished else None, task))
    return sorted(touched)


def _again(db: apsw.Connection, command: ContinueRecovers, application: str, endpoint: str, row: tuple[Any, ...]) -> bool:
    message, succeeded, failed, round, organization, created_at, live, has_content = row
    if succeeded or live or not failed or not has_content:
        return False
    delivery = Delivery(
        key=Key(endpoint, message, round + 1), application=application, organization=organization,
        trigger=Trigger.RECOVER, due_at=command.now, created_at=created_at,
    )  # fmt: skip
    return insert_delivery(db, delivery)
