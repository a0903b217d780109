"""Creating messages, a group at a time: message, content, live rows and idempotency keys in one statement (P1)."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import asyncpg
import msgspec

from hookwright.domain.deliveries import UNOWNED
from hookwright.errors import CallerError, Conflict, Invalid, Late, NotFound, StoreUnavailable
from hookwright.store.messages import Created, CreateMessage, CreateMessages
from hookwright.stores.postgres.connections import ONE_PLAN
from hookwright.stores.postgres.db import PostgresDb, known
from hookwright.stores.postgres.dialect import Prepared, prepare
from hookwright.stores.postgres.nodes import NodeEnded
from hookwright.stores.sql.idempotency import repeated
from hookwright.stores.sql.items import Asked
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("messages", __package__)
_json = msgspec.json.Encoder()
_PLACED = """counted as (
  select endpoint, count(*) as deliveries from wanted group by endpoint
), locked as (
  select endpoint from endpoint_positions where endpoint in (select endpoint from counted) order by endpoint for update
), placed as (
  update endpoint_positions p set next = p.next + counted.deliveries
  from locked join counted using (endpoint)
  where p.endpoint = locked.endpoint
  returning p.endpoint, p.next - counted.deliveries as first
), """
"""The places of those that go to ordered endpoints. All who take places lock them in this order, and until the commit."""


def _form(*, placed: str = "", position: str = "", place: str = "", places: str = "") -> Prepared:
    texts = {"{placed}": placed, "{position}": position, "{place}": place, "{places}": places}
    statement = str(SQL.create)
    for name, text in texts.items():
        statement = statement.replace(name, text)
    return prepare(statement)


_PLAIN = _form()
_ORDERED = _form(
    placed=_PLACED,
    position=", position",
    place=", coalesce(placed.first + row_number() over (partition by endpoint order by d) - 1, 0)",
    places=" left join placed using (endpoint)",
)
"""For groups of which some deliveries get a place."""
ANY_TIME = 2**63 - 1
TRIES = 5
"""Those who change an order otherwise may have locked two of them the other way round."""


async def make_ready(connection: Any) -> None:
    """Nothing is created; the first message on this connection finds its statement planned (it takes some 10 ms)."""
    await connection.execute(ONE_PLAN)
    await _create(connection, [])


async def create(connection: Any, items: Sequence[Asked[CreateMessage]]) -> None:
    """Commit a group. Deliveries that were to be owned by a node that is one no more are refused with NodeEnded."""
    group = _apart(items)
    for _ in range(TRIES):
        with suppress(asyncpg.DeadlockDetectedError):
            await _commit(connection, group)
            return
    await _commit(connection, group)


async def _commit(connection: Any, group: Sequence[Asked[CreateMessage]]) -> None:
    if any(item.once and item.command.message.event_id for item in group):
        async with connection.transaction():  # a key that was taken for nothing is given back before anybody sees it
            await _create(connection, group)
    else:
        await _create(connection, group)


async def create_many(db: PostgresDb, command: CreateMessages) -> tuple[Created | CallerError, ...]:
    """In the caller's transaction. Raises NodeEnded, Late, or NotFound for a deleted application, if it is that of all of them."""
    items = [Asked(one) for one in command.messages]
    left = items
    while left:
        await _create(db.connection, _apart(left))
        left = [item for item in left if item.left]
    if unavailable := next((item.error for item in items if isinstance(item.error, StoreUnavailable)), None):
        raise unavailable
    if all(isinstance(item.error, NotFound) for item in items):
        raise NotFound
    return tuple(cast(CallerError | None, item.error) or item.result for item in items)


def _apart(items: Sequence[Asked[CreateMessage]]) -> list[Asked[CreateMessage]]:
    """Those that share neither a key nor an event id: the first of each. The others find it committed in the next group.

    Nor does a group have two owners, as when this process has just become a new node: one row is looked at to fence it.
    """
    seen: set[Any] = set()
    owner = UNOWNED
    group = []
    for item in items:
        message = item.command.message
        event_id = (message.application, message.event_id) if message.event_id else None
        marks = {mark for mark in (event_id, item.once and item.once.key) if mark}
        claiming = max((delivery.owner for delivery in item.command.deliveries), default=UNOWNED)
        if seen.isdisjoint(marks) and (claiming == UNOWNED or owner in (UNOWNED, claiming)):
            seen |= marks
            owner = owner or claiming
            group.append(item)
    return group


async def _create(connection: Any, group: Sequence[Asked[CreateMessage]]) -> None:
    created = [Created(item.command.message, item.command.deliveries) for item in group]
    statement = _ORDERED if any(one.ordered for item in group for one in item.command.deliveries) else _PLAIN
    values = _columns(group, created) | _delivery_columns(group)
    node, alive, fresh, good, fanned, now = await connection.fetchrow(statement.text, *statement.arguments(values))
    if not node and values["owner"] != UNOWNED:
        for item in group:
            item.error = NodeEnded()
        return
    alive, fresh, good = set(alive), set(fresh), set(good)
    repeated = [item for n, item in enumerate(group) if n in alive and n not in fresh]
    kept = await _remembered(connection, repeated) if repeated else {}
    fanned = set(fanned)
    whole = len(fanned) == len(values["d"])  # else an endpoint was deleted meanwhile, or an item refused
    refused, first = [], 0
    for n, item in enumerate(group):
        first, of = first + len(item.command.deliveries), first
        if n in good:
            item.result = created[n] if whole else _left(item.command, fanned, of)
        elif n in fresh:
            item.error = Conflict(f"eventId: a message with the id {item.command.message.event_id!r} exists in this application")
            refused.append(item)
        elif n in alive and item.once is not None:
            _repeat(item, kept.get(item.once.key))
        else:
            item.error = Late(now) if values["latest"][n] < now else NotFound()
    keys = [item.once.key for item in refused if item.once is not None]
    if keys:
        statement = known(SQL.forget_keys)
        await connection.execute(statement.text, keys)


def _left(command: CreateMessage, fanned: set[int], first: int) -> Created:
    """With the deliveries that were inserted; `first` is the number of the message's first one."""
    return Created(command.message, tuple(one for d, one in enumerate(command.deliveries, first) if d in fanned))


def _repeat(item: Asked[CreateMessage], kept: tuple[bytes, bytes] | None) -> None:
    """What an earlier request with this key was answered; left for the next group if it has expired just now."""
    assert item.once is not None
    if kept is None:
        return
    try:
        item.result = repeated(item.once, *kept)
    except Invalid as error:
        item.error = error


async def _remembered(connection: Any, items: Sequence[Asked[CreateMessage]]) -> dict[bytes, tuple[bytes, bytes]]:
    """(fingerprint, answer) of each key that is kept."""
    onces = [item.once for item in items if item.once is not None]
    statement = known(SQL.remembered)
    values = {"keys": [once.key for once in onces], "now": max(once.now for once in onces)}
    rows = await connection.fetch(statement.text, *statement.arguments(values))
    return {key: (fingerprint, answer) for key, fingerprint, answer in rows}


def _columns(group: Sequence[Asked[CreateMessage]], created: list[Created]) -> dict[str, Any]:
    messages = [item.command.message for item in group]
    contents = [item.command.content for item in group]
    onces = [item.once for item in group]
    return {
        "n": list(range(len(group))),
        "application": [message.application for message in messages],
        "id": [message.id for message in messages],
        "organization": [message.organization for message in messages],
        "event_type": [message.event_type for message in messages],
        "event_id": [message.event_id for message in messages],
        "channels": [_json.encode(message.channels).decode() if message.channels else None for message in messages],
        "created_at": [message.created_at for message in messages],
        "content_expires_at": [message.content_expires_at for message in messages],
        "content_type": [content.content_type for content in contents],
        "body": [content.body for content in contents],
        "key": [once.key if once else None for once in onces],
        "fingerprint": [once.fingerprint if once else None for once in onces],
        "answer": [once.remember(result) if once else None for once, result in zip(onces, created, strict=True)],
        "key_expires_at": [once.expires_at if once else None for once in onces],
        "latest": [ANY_TIME if item.command.latest is None else item.command.latest for item in group],
        "now": max((once.now for once in onces if once), default=0),
    }


def _delivery_columns(group: Sequence[Asked[CreateMessage]]) -> dict[str, Any]:
    """`owner` is the node that claims some of them, or nobody."""
    deliveries = [(n, delivery) for n, item in enumerate(group) for delivery in item.command.deliveries]
    return {
        "owner": max((delivery.owner for _, delivery in deliveries), default=UNOWNED),
        "d": list(range(len(deliveries))),
        "d_n": [n for n, _ in deliveries],
        "d_endpoint": [delivery.key.endpoint for _, delivery in deliveries],
        "d_due_at": [delivery.due_at for _, delivery in deliveries],
        "d_owner": [delivery.owner for _, delivery in deliveries],
    }
