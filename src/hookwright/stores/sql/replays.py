"""Which messages a task sends again: one slice of its range, looked at in the order of their ids."""

from collections.abc import Sequence
from typing import Any

import msgspec

from hookwright import ids
from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.filters import Filter
from hookwright.domain.messages import passes
from hookwright.domain.tasks import Kind, Seen, Selection, goes_again
from hookwright.errors import NotFound, Unreadable
from hookwright.store.endpoints import FindEndpoint
from hookwright.store.messages import FindExamples
from hookwright.store.tasks import Glance, LookAhead
from hookwright.stores.sql.db import Db, as_list
from hookwright.stores.sql.decoding import member, name_set
from hookwright.stores.sql.endpoints import find
from hookwright.stores.sql.messages_read import contents_by_message
from hookwright.stores.sql.registry import load_sql, reads

SQL = load_sql("replays")
MOST_BYTES = 2**20
"""Of contents that one slice reads for a filter, and a message more: others wait for it."""
MOST_LOOKS = 50_000
"""At values of contents, for the same reason: some 20 to 50 ms. They too may be exceeded by one message."""
COUNT_UP_TO = 5_000
"""How many messages are counted when a task begins; of more it is not known at first how many there are."""


class Looked(msgspec.Struct, frozen=True):
    """`again`: those that get a round. `mark`: where to look on; `done`: there is nothing more."""

    again: tuple[Seen, ...]
    count: int
    mark: str
    done: bool


def first_mark(selection: Selection) -> str:
    """No larger than the ids of all messages of the range, larger than those before it."""
    return ids.lowest("msg", selection.since)


def end_mark(selection: Selection) -> str:
    return ids.lowest("msg", selection.until)


@reads(LookAhead)
async def look_ahead(db: Db, query: LookAhead) -> Glance:
    endpoint = await find(db, FindEndpoint(application=query.application, ref=query.endpoint))
    if endpoint is None:
        raise NotFound
    mark = query.mark or first_mark(query.selection)
    looked = await look(db, endpoint, query.kind, query.selection, mark, query.limit, most=query.limit)
    return Glance(len(looked.again), None if looked.done else looked.mark)


async def look(db: Db, endpoint: Endpoint, kind: Kind, selection: Selection, mark: str, limit: int, *, most: int) -> Looked:
    """At up to `limit` messages from `mark` on, and no further than `most` of them that go again."""
    of = {"application": endpoint.application, "endpoint": endpoint.id, "mark": mark, "until": end_mark(selection), "limit": limit}
    seen = [_seen(row) for row in await db.all(SQL.made if kind is Kind.MISSING else SQL.ended, of)]
    again, done, last = [one for one in seen if goes_again(kind, selection, endpoint, one)], len(seen) < limit, None
    if kind is Kind.MISSING:
        again = await _no_examples(db, again)
    if kind is Kind.MISSING and endpoint.options.filter is not None:
        again, last = await _let_through(db, endpoint.options.filter, again)
    if selection.status_class is not None:
        again = await _answered(db, again, selection.status_class)
    if len(again) > most:
        again = again[:most]
        last = again[-1].message
    if last is not None:
        seen, done = [one for one in seen if one.message <= last], False
    mark = seen[-1].message + "0" if seen else mark  # the smallest text after that message's id
    return Looked(tuple(again), len(seen), mark, done)


async def count(db: Db, endpoint: Endpoint, kind: Kind, selection: Selection) -> int | None:
    """How many messages a task has to look at; None if they are more than anybody counts."""
    of = {"application": endpoint.application, "endpoint": endpoint.id, "mark": first_mark(selection), "until": end_mark(selection)}
    rows: Any = await db.all(SQL.count_made if kind is Kind.MISSING else SQL.count_ended, of | {"limit": COUNT_UP_TO + 1})
    found: int = rows[0][0]
    return found if found <= COUNT_UP_TO else None


async def count_due(db: Db, endpoint: str, now: int, most: int) -> int:
    """How many deliveries wait for the endpoint, up to `most`."""
    rows: Any = await db.all(SQL.count_due, {"endpoint": endpoint, "now": now, "limit": most})
    found: int = rows[0][0]
    return found


async def answers(db: Db, keys: Sequence[tuple[str, str | None]]) -> dict[tuple[str, str | None], int]:
    """The statuses that these attempts (message, id) were answered with, 0 for no answer; of what is gone nothing."""
    rows = await db.all(SQL.answers, {"keys": msgspec.json.encode(keys).decode()})
    return {(message, attempt): status for message, attempt, status in rows}


@reads(FindExamples)
async def find_examples(db: Db, query: FindExamples) -> frozenset[str]:
    rows = await db.all(SQL.examples, {"messages": as_list(query.messages)}) if query.messages else []
    return frozenset([row[0] for row in rows])


async def _no_examples(db: Db, seen: list[Seen]) -> list[Seen]:
    """Those that were for whoever wants them: what somebody once had sent to another endpoint, to see it arrive, is missed by nobody."""
    examples = await find_examples(db, FindExamples(tuple([one.message for one in seen])))
    return [one for one in seen if one.message not in examples]


async def _let_through(db: Db, filter: Filter, seen: list[Seen]) -> tuple[list[Seen], str | None]:
    """Those whose content the filter wants; with the message after which there was enough to read, if it was not the last."""
    kept: list[Seen] = []
    size = looks = 0
    for one in seen:
        content = (await contents_by_message(db, [one.message])).get(one.message)
        wanted, looked = passes(filter, content)
        kept += [one] if wanted else []
        size, looks = size + (len(content.body) if content else 0), looks + looked
        if (size > MOST_BYTES or looks > MOST_LOOKS) and one is not seen[-1]:
            return kept, one.message
    return kept, None


async def _answered(db: Db, seen: list[Seen], status_class: int) -> list[Seen]:
    """Those whose last answer was of this class; 0: none came."""
    statuses = await answers(db, [(one.message, one.last_attempt) for one in seen if one.last_attempt is not None])
    return [one for one in seen if statuses.get((one.message, one.last_attempt), -1) // 100 * 100 == status_class]


def _seen(row: tuple[Any, ...]) -> Seen:
    """Of a message that is gone, or that cannot be read, nothing is known but that it cannot be sent again."""
    message, round, state, last_attempt, organization, event_type, channels, created_at, live, content = row
    try:
        named, ended = name_set("channels", channels), None if state is None else member("state", State, state)
    except Unreadable:
        named = ended = content = None
    return Seen(
        message=message, organization=organization or "", event_type=event_type or "", channels=named, created_at=created_at or 0,
        round=round, state=ended, last_attempt=last_attempt, live=live is not None,
        has_content=organization is not None and content is not None,
    )  # fmt: skip
