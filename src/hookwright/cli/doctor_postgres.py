"""What `doctor` looks at on PostgreSQL: the server, the database in it, and the processes that work on it.

Nothing of a file, a lock or a disk: those are the database server's own affair.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookwright.cli import checks
from hookwright.cli.arguments import now_ms
from hookwright.cli.checks import Check
from hookwright.config import Settings
from hookwright.engine.seals import survey
from hookwright.errors import StoreRefused, Unreadable
from hookwright.runtime.keys import known_vault

if TYPE_CHECKING:
    from hookwright.runtime.postgres import Content, Examination, Node, Server

MOST_SHOWN = 10
LATE_MS = 5_000
"""A take-over is tried each second: a lease that ran out this long ago is one that nobody takes over."""
ASTRAY_MS = 2_000


def look_around(settings: Settings) -> Iterator[Check]:
    from hookwright.runtime.postgres import examine

    yield from checks.check_settings(settings)
    yield check_secrets(settings)
    yield checks.check_files(settings)
    try:
        found = asyncio.run(examine(settings))
    except StoreRefused as error:
        yield Check("database", "fail", str(error), "mind HOOKWRIGHT_DATABASE, the server, and who may use it")
        return
    except Unreadable as error:
        yield Check("database", "fail", f"a row is damaged: {error}", "restore a backup (docs/postgresql.md)")
        return
    yield from check_server(settings, found.server)
    yield from check_limits(found.server)
    yield check_clocks(now_ms(), found.now)
    yield from check_content(settings, found)


def check_secrets(settings: Settings) -> Check:
    """Every process needs the same, so none are made anywhere."""
    wanted = {"HOOKWRIGHT_JWT_SECRET": settings.jwt_secret, "HOOKWRIGHT_ENCRYPTION_KEYS": settings.encryption_keys}
    missing = " and ".join(name for name, value in wanted.items() if value is None)
    if missing:
        return Check("secrets", "fail", f"not configured: {missing}", "set the same for every process (docs/postgresql.md)")
    return checks.check_secrets(settings)


def check_server(settings: Settings, server: "Server") -> Iterator[Check]:
    for found in server.unusable():
        what, _, advice = found.partition(": ")
        yield Check("database", "fail", what, advice)
    if not server.unusable():
        yield Check("database", "ok", f"{settings.database_name}, PostgreSQL {server.version}, {server.encoding}")
    for found in server.lossy():
        what, _, advice = found.partition(": ")
        yield Check("durability", "fail", what, advice)
    if server.full_page_writes == "off":
        what = "full_page_writes is off, so a power cut can tear pages that hold what was acknowledged"
        yield Check("durability", "fail", what, "set full_page_writes = on in postgresql.conf")
    elif not server.lossy():
        yield Check("durability", "ok", f"fsync = on, synchronous_commit = {server.synchronous_commit}, full_page_writes = on")


def check_limits(server: "Server") -> Iterator[Check]:
    for found in server.unbounded():
        what, _, advice = found.partition(": ")
        yield Check("limits", "warn", what, advice)


def check_clocks(now: int, database: int) -> Check:
    """Both Unix ms: retries are due by this machine's clock, leases run out by the database's."""
    astray = now - database
    if abs(astray) <= ASTRAY_MS:
        return checks.check_clock(now, None)
    which = "ahead of" if astray > 0 else "behind"
    advice = "set both (chrony, systemd-timesyncd): retries come that much too early or too late"
    return Check("clock", "warn", f"this machine's clock is {abs(astray) / 1000:.1f} s {which} the database's", advice)


def check_content(settings: Settings, found: "Examination") -> Iterator[Check]:
    yield checks.check_schema(found.standing)
    if found.content is None:
        return
    yield check_nodes(found.content.nodes, round(settings.lease * 1000))
    yield from _check_seals(settings, found.content)
    backlog = found.content.backlog
    late = None if backlog.oldest_due_at is None else found.now - backlog.oldest_due_at
    yield from checks.check_backlog(backlog.live, backlog.held, late, backlog.disabled_endpoints)


def check_nodes(nodes: "tuple[Node, ...]", lease_ms: int) -> Check:
    """Processes whose lease runs, and those that were silent for longer and are to be taken over."""
    at_work = [node for node in nodes if node.silent_ms < lease_ms]
    silent = [node for node in nodes if node.silent_ms >= lease_ms]
    if not at_work:
        shown = f"none is at work; silent: {_shown(silent)}" if silent else "none is at work"
        return Check("nodes", "warn", shown, "nothing is delivered until `hookwright serve` runs")
    left = [node for node in silent if node.silent_ms > lease_ms + LATE_MS]
    if left:
        advice = "look at the logs of those at work, and give every process the same HOOKWRIGHT_LEASE"
        return Check("nodes", "warn", f"{len(at_work)} at work, but nobody takes over {_shown(left)}", advice)
    return Check("nodes", "ok", f"{len(at_work)} at work: {_shown(at_work)}")


def _shown(nodes: "list[Node]") -> str:
    texts = [f"node {node.epoch} (seen {node.silent_ms / 1000:.1f} s ago, holds {node.deliveries})" for node in nodes[:MOST_SHOWN]]
    return ", ".join(texts) + (f" and {len(nodes) - MOST_SHOWN} more" if len(nodes) > MOST_SHOWN else "")


def _check_seals(settings: Settings, content: "Content") -> Iterator[Check]:
    vault = known_vault(settings)
    if vault is not None:
        yield checks.check_seals(settings, survey(content.seals, vault), vault)
