"""One status per message and endpoint, of all rounds together, read from outcomes and live rows; never from attempts."""

from collections.abc import AsyncIterator
from typing import Any

from hookwright.domain.deliveries import Delivery, Key, State, Status, Trigger, headline
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.decoding import member
from hookwright.stores.sql.keysets import Keyset
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sql.streams import merged, runs

SQL = load_sql("statuses")
_LIVE = frozenset({State.PENDING, State.SENDING})


async def statuses_at_endpoint(
    db: Db, endpoint: str, keys: Keyset, states: frozenset[int] | None
) -> AsyncIterator[tuple[str, Status | None]]:
    """Lazily, each message of the range with its status at the endpoint; None if that is not among `states`.

    When only live states are wanted, only live rows are read: few beside millions that ended.
    """
    values = {"endpoint": endpoint, "low": keys.low, "high": keys.high}
    if states is not None and states <= _LIVE:
        rows = db.each(SQL.undelivered_at_endpoint_down if keys.down else SQL.undelivered_at_endpoint_up, values)
    else:
        ended = db.each(SQL.ended_at_endpoint_down if keys.down else SQL.ended_at_endpoint_up, values)
        live = db.each(SQL.live_at_endpoint_down if keys.down else SQL.live_at_endpoint_up, values)
        rows = merged(ended, live, down=keys.down)
    async for message, rounds in runs(rows):
        status = _status([(_delivery(row, Key(endpoint, message, row[3])), row[1]) for row in rounds])
        yield message, status if states is None or status.state in states else None


async def statuses_of_message(db: Db, message: str, keys: Keyset) -> AsyncIterator[tuple[str, Status]]:
    """Lazily, each endpoint of the range with the message's status there."""
    values = {"message": message, "low": keys.low, "high": keys.high}
    ended = db.each(SQL.ended_of_message_down if keys.down else SQL.ended_of_message_up, values)
    live = db.each(SQL.live_of_message_down if keys.down else SQL.live_of_message_up, values)
    rows = merged(ended, live, down=keys.down)
    async for endpoint, rounds in runs(rows):
        yield endpoint, _status([(_delivery(row, Key(endpoint, message, row[3])), row[1]) for row in rounds])


def _delivery(row: tuple[Any, ...], key: Key) -> Delivery:
    return Delivery(
        key=key,
        application=row[4],
        organization=row[5],
        trigger=member("trigger", Trigger, row[6]),
        attempts=row[7],
        due_at=row[8],
        owner=row[9],
        created_at=row[10],
    )


def _status(rounds: list[tuple[Delivery, int | None]]) -> Status:
    return headline(
        [member("state", State, state) for _, state in rounds if state is not None],
        [delivery for delivery, state in rounds if state is None],
    )
