"""Live deliveries: claiming, settling, releasing, ending.

Guards P2 (a live row goes only with a final record), P3 (a row is owned or claimable) and P4 (every completion is
fenced): each statement that ends, reschedules or releases a claimed row names its owner and its number of attempts,
and does nothing when either has changed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import apsw
import msgspec

from hookwright.domain.attempts import EXPUNGED, Attempt
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
    OpenNode,
    Release,
    Resend,
    SetAside,
    Settle,
    Settlement,
    TakeOver,
)
from hookwright.stores.sqlite.decoding import member, names, text
from hookwright.stores.sqlite.messages import insert_delivery
from hookwright.stores.sqlite.registry import load_sql, reads, writes

SQL = load_sql("deliveries")
HOUR = 3_600_000
_json = msgspec.json.Encoder()
_COUNT = {State.SUCCESS: SQL.count_success, State.FAIL: SQL.count_fail, State.CANCELED: SQL.count_canceled}
_RANK = {State.SUCCESS: 0, State.FAIL: 1, State.CANCELED: 2}


@writes(OpenNode)
def open_node(db: apsw.Connection, command: OpenNode) -> int:
    epoch: Any = db.execute(SQL.open_node, (command.now,)).fetchall()[0][0]
    return int(epoch)


@writes(TakeOver)
def take_over(db: apsw.Connection, command: TakeOver) -> int:
    db.execute(SQL.take_over, (command.owner,))
    return db.changes()


@reads(DueEndpoints)
def due_endpoints(db: apsw.Connection, query: DueEndpoints) -> list[DueEndpoint]:
    rows: Iterable[Any] = db.execute(SQL.due_endpoints, {"after": query.after, "limit": query.limit})
    return [DueEndpoint(endpoint, due_at) for endpoint, due_at in rows]


@writes(ClaimDue)
def claim_due(db: apsw.Connection, command: ClaimDue) -> ClaimedRows:
    claimed: list[Claimed] = []
    set_aside: list[SetAside] = []
    size = 0
    for row in db.execute(SQL.due_rows, (command.endpoint, command.now, command.limit)):
        try:
            item = _claimed(command, row)
        except Unreadable as error:
            set_aside.append(SetAside(Key(command.endpoint, row[0], row[1]), str(error)))
            continue
        size += len(item.content.body) if item.content else 0
        if claimed and size > command.most_bytes:
            break
        claimed.append(item)
    for item in claimed:
        key = item.delivery.key
        db.execute(SQL.own, (command.owner, key.endpoint, key.message, key.round))
    for damaged in set_aside:
        key = damaged.key
        db.execute(SQL.set_aside, (command.now + SET_ASIDE_MS, key.endpoint, key.message, key.round))
    next_due_at: Any = db.execute(SQL.next_due, (command.endpoint,)).fetchall()[0][0]
    return ClaimedRows(tuple(claimed), next_due_at, tuple(set_aside))


def _claimed(command: ClaimDue, row: tuple[Any, ...]) -> Claimed:
    """Raises Unreadable."""
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
def settle(db: apsw.Connection, command: Settle) -> list[bool]:
    return [_settle(db, settlement) for settlement in command.settlements]


def _settle(db: apsw.Connection, s: Settlement) -> bool:
    fenced = (s.key.endpoint, s.key.message, s.key.round, s.fence.owner, s.fence.attempts)
    if s.state in FINAL:
        rows: list[Any] = db.execute(SQL.end_fenced, fenced).fetchall()
        if not rows:
            return False
        application, organization, trigger = rows[0]
        attempts = s.fence.attempts + (s.attempt is not None)
        last = s.attempt.id if s.attempt else None
        end_delivery(db, s.key, application, organization, trigger, s.state, attempts, last, s.created_at, s.now)
    else:
        db.execute(SQL.reschedule, (s.due_at, *fenced))
        if not db.changes():
            return False
    if s.attempt is not None:
        _insert_attempt(db, s.attempt)
        if s.disable:
            db.execute(SQL.disable_gone, (s.now, s.attempt.application, s.key.endpoint, s.attempt.url))
    return True


def end_delivery(
    db: apsw.Connection, key: Key, application: str, organization: str, trigger: int, state: State, attempts: int,
    last_attempt: str | None, created_at: int, now: int,
) -> None:  # fmt: skip
    """Write the final record of a delivery whose live row this transaction removes (P2), and count it.

    A message counts once per endpoint, in the hour of its creation (`created_at`, the same time as its id carries), by
    the best that any of its rounds came to: success, else fail, else canceled.
    """
    before = [row[0] for row in db.execute(SQL.ended_states, (key.endpoint, key.message)) if row[0] in _RANK]
    db.execute(
        SQL.insert_outcome,
        (key.endpoint, key.message, key.round, application, organization, trigger, state, attempts, last_attempt, now),
    )
    old = min(before, key=_RANK.__getitem__, default=None)
    if old is None or _RANK[state] < _RANK[old]:
        hour = created_at // HOUR
        db.execute(_COUNT[state], (key.endpoint, hour, 1))
        if old is not None:
            db.execute(_COUNT[old], (key.endpoint, hour, -1))


def _insert_attempt(db: apsw.Connection, a: Attempt) -> None:
    channels = _json.encode(a.channels).decode() if a.channels else None
    db.execute(
        SQL.insert_attempt,
        (
            a.key.message, a.id, a.key.endpoint, a.key.round, a.application, a.organization, a.trigger, a.number, a.url,
            a.event_type, channels, a.state, a.response_status, a.response, a.truncated, a.started_at, a.duration_ms, EXPUNGED,
        ),
    )  # fmt: skip


@writes(Release)
def release(db: apsw.Connection, command: Release) -> None:
    for key, fence, due_at in command.rows:
        db.execute(SQL.release, (due_at, key.endpoint, key.message, key.round, fence.owner, fence.attempts))


@writes(CancelDeliveries)
def cancel_deliveries(db: apsw.Connection, command: CancelDeliveries) -> int:
    ended = 0
    for (endpoint,) in db.execute(SQL.to_clear, (command.limit,)).fetchall():
        rows: Any = db.execute(SQL.live_of, (endpoint, command.limit - ended)).fetchall()
        ended += cancel(db, rows, command.now)
        if ended >= command.limit:
            break
    db.execute(SQL.cleared, (command.now, command.limit))
    return ended


def cancel(db: apsw.Connection, rows: Sequence[tuple[Any, ...]], now: int) -> int:
    """End live rows as canceled. A row: endpoint, message, round, application, organization, trigger, attempts, created_at."""
    for endpoint, message, round, application, organization, trigger, attempts, created_at in rows:
        key = Key(endpoint, message, round)
        db.execute(SQL.delete_live, (key.endpoint, key.message, key.round))
        end_delivery(db, key, application, organization, trigger, State.CANCELED, attempts, None, created_at, now)
    return len(rows)


@writes(Resend)
def resend(db: apsw.Connection, command: Resend) -> Delivery:
    facts = {"application": command.application, "endpoint": command.endpoint, "message": command.message}
    row: Any = db.execute(SQL.resend_facts, facts).fetchone()
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
    insert_delivery(db, delivery)
    return delivery
