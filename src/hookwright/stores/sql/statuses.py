"""One status per message and endpoint, of all rounds together, read from outcomes and live rows; never from attempts."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from hookwright.domain.deliveries import FINAL, Delivery, Key, State, Status, Trigger, headline
from hookwright.domain.pages import PageRequest
from hookwright.store.messages import MessageFilter
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.decoding import member
from hookwright.stores.sql.filters import filter_values, narrows
from hookwright.stores.sql.keysets import Keyset, budget, window
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sql.streams import merged, runs

SQL = load_sql("statuses")
_LIVE = frozenset({State.PENDING, State.SENDING})
_ENDED = SimpleNamespace(
    down=SQL.ended_at_endpoint_down, up=SQL.ended_at_endpoint_up, edge_down=SQL.ended_edge_down, edge_up=SQL.ended_edge_up
)
_LIVING = SimpleNamespace(
    down=SQL.live_at_endpoint_down, up=SQL.live_at_endpoint_up, edge_down=SQL.live_edge_down, edge_up=SQL.live_edge_up
)
LOOK_UP = 4
"""What a row costs whose message is looked up, in rows that are only looked at."""
Round = tuple[Delivery, int | None]


async def candidates_at_endpoint(
    db: Db, wanted: MessageFilter, of: dict[str, str], keys: Keyset, page: PageRequest, states: frozenset[int] | None
) -> tuple[list[str], str | None]:
    """Messages of the range, in order, that pass the filter and have a round in one of `states`: enough for a page, or up to
    the edge that is given as well. `of` names the endpoint and its application.

    A round in a state is not yet a message in that state: see `statuses_at_endpoint`.
    """
    digits = "".join(str(int(state)) for state in (FINAL if states is None else states - _LIVE))
    sources = [_ENDED] if digits else []
    if states is None or states & _LIVE:
        sources.append(_LIVING)
    most = page.limit + 1 if states is None else 2 * page.limit + 2  # a few may be refused, for what their other rounds came to
    if narrows(wanted) or states is not None:
        for source in sources:
            edge = source.edge_down if keys.down else source.edge_up
            keys = await window(db, edge, of, keys, budget(page) // (LOOK_UP if narrows(wanted) else 1))
    values = of | keys.range | filter_values(wanted) | {"filtered": narrows(wanted), "states": digits, "limit": most}
    found: set[str] = set()
    for source in sources:
        rows = await db.all(source.down if keys.down else source.up, values)
        found |= {message for (message,) in rows}
        if len(rows) == most:
            keys = keys.up_to(rows[-1][0])
    return sorted((message for message in found if keys.low <= message < keys.high), reverse=keys.down), keys.edge


async def statuses_at_endpoint(db: Db, endpoint: str, messages: list[str]) -> dict[str, Status]:
    """Of each of the messages, all its rounds together."""
    of = {"endpoint": endpoint, "messages": as_list(messages)}
    rounds: dict[str, list[Round]] = {}
    for row in (*await db.all(SQL.ended_rounds, of), *await db.all(SQL.live_rounds, of)):
        rounds.setdefault(row[0], []).append((_delivery(row, Key(endpoint, row[0], row[3])), row[1]))
    return {message: _status(found) for message, found in rounds.items()}


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


def _status(rounds: list[Round]) -> Status:
    return headline(
        [member("state", State, state) for _, state in rounds if state is not None],
        [delivery for delivery, state in rounds if state is None],
    )
