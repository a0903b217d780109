"""Live deliveries: claiming, settling, releasing, ending.

Guards P2 (a live row goes only with a final record), P3 (a row is owned or claimable) and P4 (every completion is
fenced): each statement that ends, reschedules or releases a claimed row names its owner and its number of attempts,
and does nothing when either has changed.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import FINAL, Delivery, Key, State, Trigger
from hookwright.domain.messages import Content, Message
from hookwright.errors import BadRequest, NotFound, Unreadable
from hookwright.store.deliveries import (
    SET_ASIDE_MS,
    CancelDeliveries,
    ClaimDue,
    Claimed,
    ClaimedRows,
    DueEndpoint,
    DueEndpoints,
    DuePage,
    Release,
    Resend,
    SetAside,
    Settle,
    Settlement,
)
from hookwright.stores.sql import positions
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.decoding import member, names, text
from hookwright.stores.sql.messages import insert_delivery
from hookwright.stores.sql.notices import note_attempt
from hookwright.stores.sql.positions import SQL as POSITIONS
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("deliveries")
HOUR = 3_600_000
_json = msgspec.json.Encoder()
_COUNT = {State.SUCCESS: SQL.count_success, State.FAIL: SQL.count_fail, State.CANCELED: SQL.count_canceled}
_RANK = {State.SUCCESS: 0, State.FAIL: 1, State.CANCELED: 2}


@reads(DueEndpoints)
async def due_endpoints(db: Db, query: DueEndpoints) -> DuePage:
    rows = await db.all(SQL.due_endpoints, {"after": query.after, "limit": query.limit})
    due = tuple(DueEndpoint(endpoint, due_at) for endpoint, due_at in rows if due_at is not None)
    return DuePage(due, rows[-1][0] if len(rows) == query.limit else None)


@writes(ClaimDue)
async def claim_due(db: Db, command: ClaimDue) -> ClaimedRows:
    if command.ordered and (next_place := await positions.lock(db, command.endpoint)):
        return await claim_in_order(db, command, next_place)
    claimed: list[Claimed] = []
    set_aside: list[SetAside] = []
    size = 0
    async for row in db.each(SQL.due_rows, (command.endpoint, command.now, command.limit)):
        try:
            item = read_claimed(command, row)
        except Unreadable as error:
            set_aside.append(SetAside(Key(command.endpoint, row[0], row[1]), str(error)))
            continue
        size += len(item.content.body) if item.content else 0
        if claimed and size > command.most_bytes:
            break
        claimed.append(item)
    for item in claimed:
        key = item.delivery.key
        await db.run(SQL.own, (command.owner, key.endpoint, key.message, key.round))
    for damaged in set_aside:
        key = damaged.key
        await db.run(SQL.set_aside, (command.now + SET_ASIDE_MS, key.endpoint, key.message, key.round))
    return await with_next(db, command, claimed, set_aside)


async def with_next(db: Db, command: ClaimDue, claimed: Sequence[Claimed], set_aside: Sequence[SetAside]) -> ClaimedRows:
    """What a claim found that asked for no order, and when the next is due, unless that has a place, and is not to be had so."""
    row = await db.first(SQL.next_due, (command.endpoint,))
    next_due = None if row is None else row[0]
    nothing = next_due is not None and next_due <= command.now and not (claimed or set_aside)
    if nothing and await positions.is_ordered(db, command.endpoint):
        return ClaimedRows((), None, held=True)
    return ClaimedRows(tuple(claimed), next_due, tuple(set_aside))


async def claim_in_order(db: Db, command: ClaimDue, next_place: int) -> ClaimedRows:
    """As `ClaimDue` says; the order of the endpoint is locked, and `next_place` is the next in it."""
    due_times = await positions.due_times(db, command.endpoint, next_place, command.now)
    if not due_times or due_times[0] > command.now:
        return ClaimedRows((), due_times[0] if due_times else None, held=due_times is None)
    claimed: list[Claimed] = []
    size = last = 0
    for *row, owner, position in await db.all(POSITIONS.rows, (command.endpoint, min(command.limit, positions.MOST_AT_ONCE - 1))):
        if owner or row[4] > command.now:
            break
        try:
            item = read_claimed(command, tuple(row))
        except Unreadable as error:
            if claimed:
                break
            damaged = SetAside(Key(command.endpoint, row[0], row[1]), str(error))
            await db.run(SQL.set_aside, (command.now + SET_ASIDE_MS, command.endpoint, row[0], row[1]))
            return ClaimedRows((), command.now + SET_ASIDE_MS, (damaged,))
        size += len(item.content.body) if item.content else 0
        if claimed and size > command.most_bytes:
            break
        claimed.append(item)
        last = position
    await db.run(POSITIONS.own, (command.owner, command.endpoint, last))
    left = due_times[len(claimed) :]
    return ClaimedRows(tuple(claimed), left[0] if left else None)


def read_claimed(command: ClaimDue, row: tuple[Any, ...]) -> Claimed:
    """A row of `due_rows`. Raises Unreadable."""
    (message, round, trigger, attempts, due_at, created_at, application, organization,
     event_type, event_id, channels, expires_at, content_type, body) = row  # fmt: skip
    if event_type is None:
        raise Unreadable("its message is not there")
    application, organization = text("application", application), text("organization", organization)
    delivery = Delivery(
        key=Key(command.endpoint, message, round), application=application, organization=organization,
        trigger=member("trigger", Trigger, trigger), attempts=attempts, due_at=due_at, owner=command.owner, created_at=created_at,
    )  # fmt: skip
    stored = Message(
        id=message, organization=organization, application=application, event_type=text("event_type", event_type),
        event_id=None if event_id is None else text("event_id", event_id), channels=names("channels", channels),
        created_at=created_at, content_expires_at=expires_at,
    )  # fmt: skip
    return Claimed(delivery, stored, None if body is None else Content(body, text("content_type", content_type)))


@writes(Settle)
async def settle(db: Db, command: Settle) -> list[bool]:
    return [await _settle(db, settlement) for settlement in command.settlements]


async def _settle(db: Db, s: Settlement) -> bool:
    fenced = (s.key.endpoint, s.key.message, s.key.round, s.fence.owner, s.fence.attempts)
    if s.state in FINAL:
        rows: list[Any] = await db.all(SQL.end_fenced, fenced)
        if not rows:
            return False
        application, organization, trigger = rows[0]
        attempts = s.fence.attempts + (s.attempt is not None)
        last = s.attempt.id if s.attempt else None
        await _end_delivery(db, s.key, application, organization, trigger, s.state, attempts, last, s.created_at, s.now)
    else:
        if not await db.run(SQL.reschedule, (s.due_at, *fenced)):
            return False
    if s.attempt is not None:
        await _insert_attempt(db, s.attempt)
        if s.disable:
            await db.run(SQL.disable, (s.disable, s.now, s.attempt.application, s.key.endpoint, s.own_url or s.attempt.url))
        if s.notice is not None:
            await note_attempt(db, s)
    return True


async def _end_delivery(
    db: Db, key: Key, application: str, organization: str, trigger: int, state: State, attempts: int,
    last_attempt: str | None, created_at: int, now: int,
) -> None:  # fmt: skip
    """Write the final record of a delivery whose live row this transaction removes (P2), and count it.

    A message counts once per endpoint, in the hour of its creation (`created_at`, the same time as its id carries), by
    the best that any of its rounds came to: success, else fail, else canceled.
    """
    before = [row[0] for row in await db.all(SQL.ended_states, (key.endpoint, key.message)) if row[0] in _RANK]
    await db.run(
        SQL.insert_outcome,
        (key.endpoint, key.message, key.round, application, organization, trigger, state, attempts, last_attempt, now),
    )
    old = min(before, key=_RANK.__getitem__, default=None)
    if old is None or _RANK[state] < _RANK[old]:
        hour = created_at // HOUR
        await db.run(_COUNT[state], (key.endpoint, hour, 1))
        if old is not None:
            await db.run(_COUNT[old], (key.endpoint, hour, -1))


async def _insert_attempt(db: Db, a: Attempt) -> None:
    channels = _json.encode(a.channels).decode() if a.channels else None
    await db.run(
        SQL.insert_attempt,
        (
            a.key.message, a.id, a.key.endpoint, a.key.round, a.application, a.organization, a.trigger, a.number, a.url,
            a.event_type, channels, a.state, a.response_status, a.response, a.truncated, a.started_at, a.duration_ms,
        ),
    )  # fmt: skip


@writes(Release)
async def release(db: Db, command: Release) -> None:
    for key, fence, due_at in command.rows:
        await db.run(SQL.release, (due_at, key.endpoint, key.message, key.round, fence.owner, fence.attempts))


@writes(CancelDeliveries)
async def cancel_deliveries(db: Db, command: CancelDeliveries) -> int:
    ended = 0
    for (endpoint,) in await db.all(SQL.to_clear, (command.limit,)):
        rows: Any = await db.all(SQL.live_of, (endpoint, command.limit - ended))
        ended += await cancel(db, rows, command.now)
        if ended >= command.limit:
            break
    await db.run(SQL.cleared, (command.now, command.limit))
    return ended


async def cancel(db: Db, rows: Sequence[tuple[Any, ...]], now: int) -> int:
    """End live rows as canceled, owned ones too; how many. A row: endpoint, message, round. The transaction has locked them."""
    if not rows:
        return 0
    keys = _json.encode([tuple(row) for row in rows]).decode()
    await db.run(SQL.count_canceled_rows, {"keys": keys})
    await db.run(SQL.end_canceled_rows, {"keys": keys, "now": now})
    return await db.run(SQL.delete_canceled_rows, {"keys": keys})


@writes(Resend)
async def resend(db: Db, command: Resend) -> Delivery:
    facts = {"application": command.application, "endpoint": command.endpoint, "message": command.message}
    row: Any = await db.first(SQL.resend_facts, facts)
    if row is None or not row[3]:
        raise NotFound
    organization, created_at, has_content, _, live_round, ended_round = row
    if not has_content:
        raise BadRequest("the payload of this message is gone (expired or expunged), it cannot be sent again", code="missing_payload")
    delivery = Delivery(
        key=Key(command.endpoint, command.message, 1 + max(live_round or 0, ended_round or 0)),
        application=command.application, organization=organization, trigger=command.trigger,
        due_at=command.now, created_at=created_at,
    )  # fmt: skip
    await insert_delivery(db, delivery)
    return delivery
