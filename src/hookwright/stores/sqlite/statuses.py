"""One status per message and endpoint, of all rounds together, read from outcomes and live rows; never from attempts."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import apsw

from hookwright.domain.deliveries import Delivery, Key, State, Status, Trigger, headline
from hookwright.stores.sqlite.decoding import member
from hookwright.stores.sqlite.keysets import Keyset
from hookwright.stores.sqlite.registry import load_sql

SQL = load_sql("statuses")
_LIVE = frozenset({State.PENDING, State.SENDING})


def statuses_at_endpoint(
    db: apsw.Connection, endpoint: str, keys: Keyset, states: frozenset[int] | None
) -> Iterator[tuple[str, Status | None]]:
    """Lazily, each message of the range with its status at the endpoint; None if that is not among `states`.

    When only live states are wanted, only live rows are read: few beside millions that ended.
    """
    if states is not None and states <= _LIVE:
        sql = SQL.live_at_endpoint_down if keys.down else SQL.live_at_endpoint_up
    else:
        sql = SQL.at_endpoint_down if keys.down else SQL.at_endpoint_up
    rows = db.execute(sql, {"endpoint": endpoint, "low": keys.low, "high": keys.high})
    for message, rounds in groupby(rows, key=_first):
        status = _status([(_delivery(row, Key(endpoint, message, row[3])), row[1]) for row in rounds])
        yield message, status if states is None or status.state in states else None


def statuses_of_message(db: apsw.Connection, message: str, keys: Keyset) -> Iterator[tuple[str, Status]]:
    """Lazily, each endpoint of the range with the message's status there."""
    rows = db.execute(SQL.of_message_down if keys.down else SQL.of_message_up, {"message": message, "low": keys.low, "high": keys.high})
    for endpoint, rounds in groupby(rows, key=_first):
        yield endpoint, _status([(_delivery(row, Key(endpoint, message, row[3])), row[1]) for row in rounds])


def _first(row: tuple[Any, ...]) -> str:
    return str(row[0])


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
