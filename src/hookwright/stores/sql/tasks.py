"""Tasks in the background: kept, listed, canceled, and carried out in slices that survive a crash.

The mark moves in the transaction that adds the rounds, so a slice happens once, whole, or not at all.
"""

from typing import Any

import msgspec

from hookwright import ids
from hookwright.domain.deliveries import Delivery, Key, State, Trigger
from hookwright.domain.pages import Page
from hookwright.domain.tasks import WAIT_MS, Kind, Seen, Selection, Task, TaskState, begins_at, most_ahead, next_slice_at, slice_size
from hookwright.errors import BadRequest, NotFound, Unreadable
from hookwright.store.endpoints import FindEndpoint
from hookwright.store.tasks import CancelTask, Continued, ContinueTasks, FindTask, ListTasks, NextSlice, StartTask
from hookwright.stores.sql import endpoints, replays
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.decoding import decoded
from hookwright.stores.sql.keysets import budget, each, gather, keyset, window
from hookwright.stores.sql.messages import insert_delivery
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("tasks")
TASKS_PER_SLICE = 8
_selection = msgspec.json.Decoder(Selection)
Row = tuple[Any, ...]


@writes(StartTask)
async def start(db: Db, command: StartTask) -> Task:
    endpoint = await endpoints.find(db, FindEndpoint(application=command.application, ref=command.endpoint))
    if endpoint is None:
        raise NotFound
    running: Any = await db.all(SQL.running, {"application": endpoint.application, "endpoint": endpoint.id})
    if running[0][0] >= command.most:
        reason = f"{command.most} tasks of this endpoint are running; wait until one of them has finished, or cancel one"
        raise BadRequest(reason, code="limit_reached")
    total = await replays.count(db, endpoint, command.kind, command.selection)
    await _insert(
        db, command.task, endpoint.organization, endpoint.application, endpoint.id, command.kind, command.selection,
        replays.first_mark(command.selection), total, command.now,
    )  # fmt: skip
    return await _find(db, endpoint.organization, command.task, None)


@reads(FindTask)
async def find(db: Db, query: FindTask) -> Task | None:
    row = await db.first(SQL.find, _of(query))
    return None if row is None else to_task(row)


@reads(ListTasks)
async def list_tasks(db: Db, query: ListTasks) -> Page[Task]:
    keys, of = keyset(query.page, "qtask"), {"organization": query.organization}
    if query.application is not None or query.kind is not None or query.states is not None:
        keys = await window(db, SQL.edge_down if keys.down else SQL.edge_up, of, keys, budget(query.page))
    values = of | keys.range | {"application": query.application, "kind": query.kind, "limit": query.page.limit + 1}
    values |= {"states": None if query.states is None else as_list(sorted(query.states))}
    tasks = map(to_task, await db.all(SQL.list_down if keys.down else SQL.list_up, values))
    return await gather(query.page, each([(task.id, task) for task in tasks]), keys.edge)


@writes(CancelTask)
async def cancel(db: Db, command: CancelTask) -> Task:
    await db.run(SQL.cancel, _of(command) | {"now": command.now})
    return await _find(db, command.organization, command.task, command.application)


@reads(NextSlice)
async def next_slice(db: Db, query: NextSlice) -> int | None:
    at: int | None = (await db.all(SQL.next_slice))[0][0]
    return at


@writes(ContinueTasks)
async def continue_tasks(db: Db, command: ContinueTasks) -> Continued:
    await _take_over_recovers(db, command.now)
    rows = await db.all(SQL.ready, {"now": command.now, "limit": min(TASKS_PER_SLICE, command.limit)})
    touched: set[str] = set()
    for row in rows:
        try:
            task = to_task(row)
            if await _carry_on(db, command, task, command.limit // len(rows)):
                touched.add(task.endpoint)
        except (Unreadable, UnicodeDecodeError) as error:  # it must not keep the others from going on
            await _fail(db, row[0], str(error), command.now)
    return Continued(len(rows), tuple(sorted(touched)))


async def _carry_on(db: Db, command: ContinueTasks, task: Task, limit: int) -> bool:
    """One slice of it, of up to `limit` messages; whether rounds were added. Raises Unreadable."""
    endpoint = await endpoints.find(db, FindEndpoint(application=task.application, ref=task.endpoint))
    if endpoint is None:
        await _fail(db, task.id, "the endpoint was deleted", command.now)
        return False
    rate = task.selection.rate or command.rate
    ahead = most_ahead(rate)
    if await replays.count_due(db, endpoint.id, command.now, ahead) >= ahead:
        await db.run(SQL.wait, {"next_at": command.now + WAIT_MS, "id": task.id})
        return False
    looked = await replays.look(db, endpoint, task.kind, task.selection, task.mark, limit, most=slice_size(rate))
    added = sum([await _again(db, command, task, seen) for seen in looked.again])
    next_at = next_slice_at(task.next_at, command.now, added, rate)
    moved = {"mark": looked.mark, "looked": looked.count, "done": added, "next_at": next_at, "now": command.now, "id": task.id}
    await db.run(SQL.move, moved)
    if looked.done:
        await db.run(SQL.finish, {"now": command.now, "id": task.id})
    return added > 0


async def _again(db: Db, command: ContinueTasks, task: Task, seen: Seen) -> bool:
    """Whether it has another round now."""
    delivery = Delivery(
        key=Key(task.endpoint, seen.message, 1 + (seen.round or 0)), application=task.application, organization=seen.organization,
        trigger=Trigger.RECOVER, due_at=command.now, created_at=seen.created_at,
    )  # fmt: skip
    return await insert_delivery(db, delivery)


async def _take_over_recovers(db: Db, now: int) -> None:
    """What an earlier release began, and left or has not done yet, goes on as a task."""
    for ident, organization, application, endpoint, mark, until, created_at in await db.all(SQL.left_recovers, {"limit": TASKS_PER_SLICE}):
        selection = Selection(since=_time_of(mark), until=_time_of(until), state=State.FAIL)
        if organization is not None:
            await _insert(db, ident, organization, application, endpoint, Kind.RECOVER, selection, mark, None, created_at)
        await db.run(SQL.recover_taken, {"now": now, "id": ident})


def _time_of(mark: str) -> int:
    """Unix ms, of a message's id or of the smallest text after one."""
    return ids.created_at(mark.removeprefix("msg_")[: ids.LENGTH])


async def _insert(
    db: Db, ident: str, organization: str, application: str, endpoint: str, kind: Kind, selection: Selection, mark: str,
    total: int | None, now: int,
) -> None:  # fmt: skip
    await db.run(
        SQL.start,
        {
            "id": ident, "organization": organization, "application": application, "endpoint": endpoint, "kind": kind.value,
            "request": msgspec.json.encode(selection).decode(), "mark": mark, "total": total, "next_at": begins_at(kind, now),
            "now": now,
        },
    )  # fmt: skip


async def _fail(db: Db, ident: str, problem: str, now: int) -> None:
    await db.run(SQL.fail, {"problem": problem, "now": now, "id": ident})


async def _find(db: Db, organization: str, ident: str, application: str | None) -> Task:
    """Raises NotFound."""
    row = await db.first(SQL.find, {"id": ident, "organization": organization, "application": application})
    if row is None:
        raise NotFound
    return to_task(row)


def _of(asked: FindTask | CancelTask) -> dict[str, Any]:
    return {"id": asked.task, "organization": asked.organization, "application": asked.application}


def to_task(row: Row) -> Task:
    """The value of a row, its columns in the order that `tasks.sql` names them. Raises Unreadable."""
    try:
        kind, state = Kind(row[4]), TaskState(row[5])
    except ValueError as error:
        raise Unreadable(f"kind or state: {error}") from error
    return Task(
        id=row[0], organization=row[1], application=row[2], endpoint=row[3], kind=kind, state=state,
        selection=decoded(_selection, "request", row[6]), mark=row[7], looked=row[8], done=row[9], total=row[10], next_at=row[11],
        problem=row[12], created_at=row[13], updated_at=row[14],
    )  # fmt: skip
