"""What accepting, claiming and settling look at does not grow with the tables: counted by the databases themselves."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.growth.examinations import Counted, ExaminedDb, Explained, count_on_sqlite
from bench.growth.fills import fill
from bench.growth.histories import DAY_MS
from bench.growth.shapes import BIG, shape
from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import Delivery, Key, State
from hookwright.domain.messages import Content, Message
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.ids import Minter
from hookwright.store import Command
from hookwright.store.deliveries import ClaimDue, Forget, Release, Settle, Settlement
from hookwright.store.endpoints import LoadApplication
from hookwright.store.messages import CreateMessage
from hookwright.stores.postgres import deliveries as postgres_deliveries
from hookwright.stores.postgres import messages as postgres_messages
from hookwright.stores.postgres import retention as postgres_retention
from hookwright.stores.postgres.connections import SESSION
from hookwright.stores.postgres.db import PostgresDb
from hookwright.stores.sql import handlers
from hookwright.stores.sql.db import Values, carry_out
from hookwright.stores.sql.items import Asked
from hookwright.stores.sql.registry import READERS
from hookwright.stores.sqlite.connections import open_writer
from hookwright.stores.sqlite.db import SqliteDb
from tests.postgres import Postgres

pytestmark = pytest.mark.long
HANDLERS = (handlers,)
FEW, MANY = 2_000, 20_000
NOW = 1_760_000_000_000
OWNER = 7
AT_ONCE = 20
MOST_ROWS = 20 * AT_ONCE
MOST_STEPS = 300 * AT_ONCE
"""Of SQLite's virtual machine; a message takes some hundred, of which inserting is the most."""
Group = list[CreateMessage]


def made(application: str, endpoint: str, *, organization: str = ORG, owner: int = OWNER) -> Group:
    mint = Minter(lambda size: bytes(size))
    group = []
    for _ in range(AT_ONCE):
        ident, at = mint.mint_timed("msg", NOW)
        message = Message(
            id=ident, organization=organization, application=application, event_type="a", event_id=f"event-{ident}", created_at=at,
            content_expires_at=at + DAY_MS,
        )  # fmt: skip
        key = Key(endpoint, ident)
        delivery = Delivery(key=key, application=application, organization=organization, due_at=at, owner=owner, created_at=at)
        group.append(CreateMessage(message=message, content=Content(b"{}"), deliveries=(delivery,)))
    return group


def settled(group: Group) -> Settle:
    mint = Minter(lambda size: bytes(size)).mint
    deliveries = [one.deliveries[0] for one in group]
    return Settle(
        settlements=tuple(
            Settlement(
                key=each.key, fence=each.fence, state=State.SUCCESS, created_at=each.created_at, now=NOW,
                attempt=Attempt(
                    id=mint("atmpt", NOW), key=each.key, application=each.application, organization=each.organization,
                    trigger=each.trigger, number=1,
                    started_at=NOW, state=State.SUCCESS, response_status=200, response=b"", event_type="a", channels=None,
                    url="https://a/", duration_ms=1,
                ),
            )
            for each in deliveries
        )
    )  # fmt: skip


def released(group: Group) -> Release:
    return Release(rows=tuple((one.deliveries[0].key, one.deliveries[0].fence, 0) for one in group))


def claim(group: Group) -> ClaimDue:
    return ClaimDue(endpoint=group[0].deliveries[0].key.endpoint, owner=OWNER, now=NOW + DAY_MS, limit=AT_ONCE, most_bytes=2**20)


EXPIRED = Forget(now=NOW + 91 * DAY_MS, limit=AT_ONCE)
"""Of all that there is."""


class ExaminedWrites(ExaminedDb):
    """Explains what changes rows too, undone in between."""

    async def run(self, sql: str, values: Values = (), *, timeout: float | None = None) -> int:
        trying = self.connection.transaction()
        await trying.start()
        await self._examine(sql, values)
        await trying.rollback()
        return await super().run(sql, values, timeout=timeout)


def total(counted: Counted) -> int:
    return sum(count for _, count in counted)


def on_sqlite(database: str) -> dict[str, int]:
    """Steps of accepting, releasing, claiming and settling a group; nothing of it stays."""
    connection = open_writer(Path(database))
    application = carry_out(READERS[LoadApplication](SqliteDb(connection), LoadApplication(organization=ORG, ref=f"customer-{BIG}")))
    group = made(application.application.id, application.endpoints[0].id)

    def cost(*commands: Command[Any]) -> int:
        return sum(total(count_on_sqlite(connection, command)) for command in commands)

    connection.execute("begin immediate")
    costs = {"accept": cost(*group), "release": cost(released(group)), "claim": cost(claim(group)), "settle": cost(settled(group))}
    costs["forget"] = cost(EXPIRED, EXPIRED)
    assert connection.execute("select count(*) from deliveries where owner = ?", (OWNER,)).fetchall() == [(0,)]
    connection.execute("rollback")
    connection.close()
    return costs


async def on_postgres(database: str) -> dict[str, int]:
    """Rows that accepting and settling a group look at; nothing of it stays."""
    connection = await asyncpg.connect(database, server_settings=SESSION)
    try:
        loaded = await READERS[LoadApplication](PostgresDb(connection), LoadApplication(organization=ORG, ref=f"customer-{BIG}"))
        group = made(loaded.application.id, loaded.endpoints[0].id)
        outer = connection.transaction()
        await outer.start()
        await connection.execute("insert into nodes (epoch, started_at, seen_at) overriding system value values ($1, 0, 0)", OWNER)
        accepting, settling = Explained(connection), Explained(connection)
        await postgres_messages.create(accepting, [Asked(one) for one in group])
        assert await postgres_deliveries.settle(settling, settled(group)) == [True] * AT_ONCE
        forgetting = ExaminedWrites(connection)
        assert [await postgres_retention._forget(forgetting, EXPIRED) for _ in range(2)] == [2 * AT_ONCE] * 2  # with keys
        await outer.rollback()
        return {"accept": total(accepting.counted), "settle": total(settling.counted), "forget": total(forgetting.counted) // 2}
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def servers(postgres: Postgres) -> list[str]:
    postgres.execute("create database written_few", "create database written_many")
    for name, messages in (("written_few", FEW), ("written_many", MANY)):
        asyncio.run(fill(postgres.url(name), shape(messages), lambda _: None, NOW))
    return [postgres.url("written_few"), postgres.url("written_many")]


def test_the_path_of_a_message_costs_the_same_in_a_large_database_on_sqlite(tmp_path: Path) -> None:
    costs = []
    for messages in (FEW, MANY):
        database = str(tmp_path / f"{messages}.db")
        asyncio.run(fill(database, shape(messages), lambda _: None, NOW))
        costs.append(on_sqlite(database))
    few, many = costs
    for name, steps in many.items():
        assert 0 < steps <= min(MOST_STEPS, few[name] * 1.1), (name, few, many)


def test_the_path_of_a_message_costs_the_same_in_a_large_database_on_postgresql(servers: list[str]) -> None:
    few, many = (asyncio.run(on_postgres(database)) for database in servers)
    for name, rows in many.items():
        assert 0 < rows <= min(MOST_ROWS, few[name] + AT_ONCE), (name, few, many)
