"""An endpoint's numbers: whole hours from counters, the ragged ends and what is under way by index range.

A counter holds a message's best ended round. A message that failed and is being sent again is under way, so the live
rows take it out of what the counters said.
"""

import apsw

from hookwright.domain.deliveries import State
from hookwright.store.deliveries import EndpointStats, Stats
from hookwright.stores.sqlite.keysets import bound
from hookwright.stores.sqlite.registry import load_sql, reads

SQL = load_sql("stats")
HOUR = 3_600_000


@reads(EndpointStats)
def endpoint_stats(db: apsw.Connection, query: EndpointStats) -> Stats:
    since, until = query.since, query.until
    first, last = -(-since // HOUR), until // HOUR
    if first < last:
        parts = [
            _ended(db, query.endpoint, since, first * HOUR),
            _hours(db, query.endpoint, first, last),
            _ended(db, query.endpoint, last * HOUR, until),
        ]
    else:
        parts = [_ended(db, query.endpoint, since, until)]
    success, fail, canceled = (sum(column) for column in zip(*parts, strict=True))
    pending = sending = 0
    of = {"endpoint": query.endpoint, "low": bound("msg", since), "high": bound("msg", until)}
    for being_sent, ended, count in db.execute(SQL.live, of):
        if ended == State.SUCCESS:
            continue
        fail -= count * (ended == State.FAIL)
        canceled -= count * (ended == State.CANCELED)
        sending += count * being_sent
        pending += count * (not being_sent)
    return Stats(success=success, pending=pending, sending=sending, fail=fail, canceled=canceled)


def _hours(db: apsw.Connection, endpoint: str, first: int, last: int) -> tuple[int, int, int]:
    return _row(db, SQL.hours, {"endpoint": endpoint, "first": first, "last": last})


def _ended(db: apsw.Connection, endpoint: str, since: int, until: int) -> tuple[int, int, int]:
    """(success, fail, canceled) of messages created in [since, until), from their outcomes."""
    if since >= until:
        return 0, 0, 0
    return _row(db, SQL.ended, {"endpoint": endpoint, "low": bound("msg", since), "high": bound("msg", until)})


def _row(db: apsw.Connection, sql: str, values: dict[str, str | int]) -> tuple[int, int, int]:
    row: tuple[int, int, int] = db.execute(sql, values).get
    return row
