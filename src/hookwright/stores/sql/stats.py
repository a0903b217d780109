"""An endpoint's numbers: whole hours from counters, the ragged ends and what is under way by index range.

A counter holds a message's best ended round. A message that failed and is being sent again is under way, so the live
rows take it out of what the counters said.
"""

from hookwright.domain.deliveries import State
from hookwright.store.deliveries import EndpointStats, Stats
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.keysets import bound
from hookwright.stores.sql.registry import load_sql, reads

SQL = load_sql("stats")
HOUR = 3_600_000


@reads(EndpointStats)
async def endpoint_stats(db: Db, query: EndpointStats) -> Stats:
    since, until = query.since, query.until
    first, last = -(-since // HOUR), until // HOUR
    if first < last:
        parts = [
            await _ended(db, query.endpoint, since, first * HOUR),
            await _hours(db, query.endpoint, first, last),
            await _ended(db, query.endpoint, last * HOUR, until),
        ]
    else:
        parts = [await _ended(db, query.endpoint, since, until)]
    success, fail, canceled = (sum(column) for column in zip(*parts, strict=True))
    pending = sending = 0
    of = {"endpoint": query.endpoint, "low": bound("msg", since), "high": bound("msg", until)}
    for being_sent, ended, count in await db.all(SQL.live, of):
        if ended == State.SUCCESS:
            continue
        fail -= count * (ended == State.FAIL)
        canceled -= count * (ended == State.CANCELED)
        sending += count * being_sent
        pending += count * (not being_sent)
    return Stats(success=success, pending=pending, sending=sending, fail=fail, canceled=canceled)


async def _hours(db: Db, endpoint: str, first: int, last: int) -> tuple[int, int, int]:
    return await _row(db, SQL.hours, {"endpoint": endpoint, "first": first, "last": last})


async def _ended(db: Db, endpoint: str, since: int, until: int) -> tuple[int, int, int]:
    """(success, fail, canceled) of messages created in [since, until), from their outcomes."""
    if since >= until:
        return 0, 0, 0
    return await _row(db, SQL.ended, {"endpoint": endpoint, "low": bound("msg", since), "high": bound("msg", until)})


async def _row(db: Db, sql: str, values: dict[str, str | int]) -> tuple[int, int, int]:
    success, fail, canceled = (await db.all(sql, values))[0]
    return int(success), int(fail), int(canceled)
