"""Live deliveries, many in one statement: claiming, settling, giving back.

Guards P2 (a live row goes only with a final record), P3 (a row is owned or claimable) and P4 (every completion is
fenced): what ends, reschedules or releases a row names its owner and its number of attempts, and does nothing when either
has changed; what claims or settles shares a lock on its node's row, so a node that was ended can do neither.
"""

from collections import defaultdict
from typing import Any

import msgspec

from hookwright.domain.deliveries import UNOWNED, Key
from hookwright.errors import Unreadable
from hookwright.store.deliveries import SET_ASIDE_MS, ClaimDue, Claimed, ClaimedRows, Release, SetAside, Settle, Settlement
from hookwright.stores.postgres.connections import ONE_PLAN
from hookwright.stores.postgres.db import PostgresDb, known
from hookwright.stores.postgres.dialect import Prepared, prepare
from hookwright.stores.postgres.nodes import NodeEnded
from hookwright.stores.sql import positions
from hookwright.stores.sql.deliveries import claim_in_order, read_claimed, with_next
from hookwright.stores.sql.registry import load_sql

SQL = load_sql("deliveries", __package__)
SLOTS = 64
_PRIOR = (
    "least((select min(o.state) from outcomes o where o.endpoint = done.endpoint and o.message = done.message), "
    "min(state) over (partition by endpoint, message order by n rows between unbounded preceding and 1 preceding))"
)
"""How the message's other rounds ended before, those that are settled together with this one too: of them the best."""
_json = msgspec.json.Encoder()


def _settle_form(*, prior: str, replayed: str, told: str = "") -> Prepared:
    return prepare(str(SQL.settle).replace("{prior}", prior).replace("{replayed}", replayed).replace("{told}", told))


_PRIORS = (("cast(null as smallint)", "not d.replayed"), (_PRIOR, "d.replayed"))
"""Of messages of one round nothing ended before, so nothing is looked up in the many partitions of what has ended; and of others."""
_FORMS = tuple(_settle_form(prior=prior, replayed=replayed) for prior, replayed in _PRIORS)
_TELLING = tuple(_settle_form(prior=prior, replayed=replayed, told=SQL.told) for prior, replayed in _PRIORS)
"""Where an attempt is to be told of; most groups have none, and are written by the others."""


async def make_ready(connection: Any) -> None:
    """Nothing is settled; the first attempts on this connection find their statements planned (it takes some 10 ms)."""
    await connection.execute(ONE_PLAN)
    values = _columns([], []) | {"owner": UNOWNED, "slot": 0}
    for form in _FORMS:
        await connection.fetchrow(form.text, *form.arguments(values))


async def settle(connection: Any, command: Settle) -> list[bool]:
    """Which settlements were applied. Those of a node that was ended never are."""
    by_owner: defaultdict[int, list[int]] = defaultdict(list)
    for n, settlement in enumerate(command.settlements):
        by_owner[settlement.fence.owner].append(n)
    applied = [False] * len(command.settlements)
    for owner, numbers in by_owner.items():
        telling = any(command.settlements[n].notice for n in numbers)
        for form in _TELLING if telling else _FORMS:
            values = _columns(numbers, [command.settlements[n] for n in numbers]) | {"owner": owner, "slot": 1 + owner % SLOTS}
            _, done = await connection.fetchrow(form.text, *form.arguments(values))
            for n in done:
                applied[n] = True
            numbers = [n for n in numbers if not applied[n]]
            if not numbers:
                break
    return applied


def _columns(numbers: list[int], settlements: list[Settlement]) -> dict[str, Any]:
    attempts = [settlement.attempt for settlement in settlements]
    return {
        "n": numbers,
        "endpoint": [settlement.key.endpoint for settlement in settlements],
        "message": [settlement.key.message for settlement in settlements],
        "round": [settlement.key.round for settlement in settlements],
        "attempts": [settlement.fence.attempts for settlement in settlements],
        "state": [settlement.state for settlement in settlements],
        "due_at": [settlement.due_at for settlement in settlements],
        "ended_at": [settlement.now for settlement in settlements],
        "disable": [settlement.disable for settlement in settlements],
        "own_url": [settlement.own_url for settlement in settlements],
        "notice": [settlement.notice for settlement in settlements],
        "attempt": [attempt and attempt.id for attempt in attempts],
        "url": [attempt and attempt.url for attempt in attempts],
        "event_type": [attempt and attempt.event_type for attempt in attempts],
        "channels": [_json.encode(attempt.channels).decode() if attempt and attempt.channels else None for attempt in attempts],
        "attempt_state": [attempt and attempt.state for attempt in attempts],
        "response_status": [attempt and attempt.response_status for attempt in attempts],
        "response": [attempt and attempt.response for attempt in attempts],
        "truncated": [attempt and attempt.truncated for attempt in attempts],
        "started_at": [attempt and attempt.started_at for attempt in attempts],
        "duration_ms": [attempt and attempt.duration_ms for attempt in attempts],
    }


async def release(connection: Any, command: Release) -> int:
    """How many rows were given back."""
    statement = known(SQL.release)
    values = {
        "endpoint": [key.endpoint for key, _, _ in command.rows],
        "message": [key.message for key, _, _ in command.rows],
        "round": [key.round for key, _, _ in command.rows],
        "owner": [fence.owner for _, fence, _ in command.rows],
        "attempts": [fence.attempts for _, fence, _ in command.rows],
        "due_at": [due_at for _, _, due_at in command.rows],
    }
    async with connection.transaction():  # begun before it is told: what waits for a pooler's attention has no session to be ended yet
        status: str = await connection.execute(statement.text, *statement.arguments(values))
    return int(status.rpartition(" ")[2])


async def claim_due(db: PostgresDb, command: ClaimDue) -> ClaimedRows:
    """Raises NodeEnded."""
    if await db.first(SQL.node, {"owner": command.owner}) is None:
        raise NodeEnded
    if command.ordered and (next_place := await positions.lock(db, command.endpoint)):
        return await claim_in_order(db, command, next_place)
    claimed: list[Claimed] = []
    set_aside: list[SetAside] = []
    for row in await db.all(SQL.claim, msgspec.structs.asdict(command)):
        try:
            claimed.append(read_claimed(command, row))
        except Unreadable as error:
            set_aside.append(SetAside(Key(command.endpoint, row[0], row[1]), str(error)))
    for damaged in set_aside:
        key = damaged.key
        await db.run(SQL.set_aside, (command.now + SET_ASIDE_MS, key.endpoint, key.message, key.round))
    return await with_next(db, command, claimed, set_aside)
