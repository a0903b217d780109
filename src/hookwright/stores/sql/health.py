"""How endpoints are, and the turns of those with a rate."""

from typing import Any

import msgspec

from hookwright.domain.endpoints import DisabledReason, Endpoint
from hookwright.domain.health import Health, Phase, enabled
from hookwright.store.health import FindHealth, SaveHealth, TakeTurns
from hookwright.stores.sql.db import Db
from hookwright.stores.sql.decoding import member
from hookwright.stores.sql.registry import load_sql, reads, writes

SQL = load_sql("health")


@writes(SaveHealth)
async def save(db: Db, command: SaveHealth) -> Health:
    health, key = command.health, {"endpoint": command.endpoint}
    if await db.first(SQL.endpoint_alive, key | {"application": command.application}) is None:
        return Health()
    kept = await find_health(db, command.endpoint)
    if kept.version != health.version:
        return kept
    if command.disable is not None:
        await db.run(SQL.disable, key | {"application": command.application, "reason": command.disable, "now": command.now})
    if health.plain:
        await db.run(SQL.remove, key)
        return Health()
    return await _keep(db, command.application, command.endpoint, health, command.now)


async def begin_recovery(db: Db, endpoint: Endpoint, *, was: DisabledReason, now: int) -> None:
    """A person enabled it."""
    health = enabled(await find_health(db, endpoint.id), now, was_sick=was in ("failing", "gone"))
    await _keep(db, endpoint.application, endpoint.id, health, now)


async def begin_anew(db: Db, endpoint: Endpoint, now: int) -> None:
    """It has another URL: what was found out about the one before is over, and if it was bad, this one is asked first how it is."""
    health = await find_health(db, endpoint.id)
    if health.version:
        asked_first = health.phase is not Phase.CLOSED
        await _keep(db, endpoint.application, endpoint.id, enabled(health, now, was_sick=asked_first), now)


async def _keep(db: Db, application: str, endpoint: str, health: Health, now: int) -> Health:
    # A row that was removed and made again is never of a version that somebody knew before.
    kept = msgspec.structs.replace(health, version=max(health.version + 1, now))
    await db.run(SQL.keep, {"application": application, "endpoint": endpoint} | msgspec.structs.asdict(kept))
    return kept


@reads(FindHealth)
async def find(db: Db, query: FindHealth) -> Health:
    return await find_health(db, query.endpoint)


async def find_health(db: Db, endpoint: str) -> Health:
    """Plain when nothing is kept. Raises Unreadable."""
    row = await db.first(SQL.find, {"endpoint": endpoint})
    return Health() if row is None else to_health(row)


def to_health(row: tuple[Any, ...]) -> Health:
    """The value of a row, its columns in the order that `health.sql` names them. Raises Unreadable."""
    (version, phase, until, trips, passed, prober, probe_until, not_before, ramp_from, failing_since, failures, warned) = row
    return Health(
        version=version, phase=member("phase", Phase, phase), until=until, trips=trips, passed=passed, prober=prober,
        probe_until=probe_until, not_before=not_before, ramp_from=ramp_from, failing_since=failing_since, failures=failures,
        warned=warned,
    )  # fmt: skip


@writes(TakeTurns)
async def take_turns(db: Db, command: TakeTurns) -> tuple[int, ...]:
    firsts: dict[str, int] = {}
    for turn in sorted(command.turns, key=lambda turn: turn.item):  # in one order: two who take the same do not keep each other waiting
        length = turn.every * command.count
        row: Any = await db.first(SQL.take_turns, {"item": turn.item, "now": command.now, "length": length})
        firsts[turn.item] = row[0] - length
    return tuple(firsts[turn.item] for turn in command.turns)
