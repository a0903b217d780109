"""Recover: failed deliveries of one endpoint get a new round each, in slices that survive a restart.

The mark moves in the transaction that adds the rounds, so a slice happens once, whole, or not at all.
"""

from typing import Any

from hookwright import ids
from hookwright.domain.deliveries import Delivery, Key, Trigger
from hookwright.errors import NotFound
from hookwright.store.deliveries import Continued, ContinueRecovers, OpenRecovers, StartRecover
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.messages import insert_delivery
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("recovers")
TASKS_PER_SLICE = 8


@writes(StartRecover)
async def start(db: Db, command: StartRecover) -> None:
    if await db.first(SQL.endpoint_alive, (command.application, command.endpoint)) is None:
        raise NotFound
    after, until = (f"msg_{ids.floor(at)}" for at in (command.since, command.until))
    await db.run(SQL.start, (command.task, command.application, command.endpoint, after, until, command.now))


@reads(OpenRecovers)
async def open_recovers(db: Db, query: OpenRecovers) -> int:
    count: Any = (await db.all(SQL.open_count))[0][0]
    return int(count)


@writes(ContinueRecovers)
async def continue_recovers(db: Db, command: ContinueRecovers) -> Continued:
    touched: set[str] = set()
    tasks: Any = await db.all(SQL.open_tasks, (min(TASKS_PER_SLICE, command.limit),))
    share = command.limit // max(1, len(tasks))
    for task, application, endpoint, after, until in tasks:
        alive = await db.first(SQL.endpoint_alive, (application, endpoint)) is not None
        rows: Any = await db.all(SQL.candidates, (endpoint, after, until, share)) if alive else []
        for row in rows:
            if await _again(db, command, application, endpoint, row):
                touched.add(endpoint)
        finished = len(rows) < share
        mark = rows[-1][0] + "0" if rows else after  # the smallest text after that message's id
        await db.run(SQL.move_mark, (mark, command.now if finished else None, task))
    return Continued(len(tasks), tuple(sorted(touched)))


async def _again(db: Db, command: ContinueRecovers, application: str, endpoint: str, row: tuple[Any, ...]) -> bool:
    message, succeeded, failed, round, organization, created_at, live, has_content = row
    if succeeded or live or not failed or not has_content:
        return False
    delivery = Delivery(
        key=Key(endpoint, message, round + 1), application=application, organization=organization,
        trigger=Trigger.RECOVER, due_at=command.now, created_at=created_at,
    )  # fmt: skip
    return await insert_delivery(db, delivery)
