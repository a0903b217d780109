"""What a list looks at does not grow with its table: counted by the databases themselves, so nothing depends on speed."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.growth.backlogs import add_backlog
from bench.growth.examinations import Counted, ExaminedDb, count_on_postgres, count_on_sqlite
from bench.growth.fills import fill, opened
from bench.growth.histories import DAY_MS
from bench.growth.operations import operations
from bench.growth.shapes import BIG, Shape, shape
from hookwright.domain.organizations import DEFAULT_ORGANIZATION as ORG
from hookwright.store import Query
from hookwright.store.deliveries import ClaimDue, DueEndpoints, EndpointStats
from hookwright.store.endpoints import LoadApplication
from hookwright.stores.postgres import deliveries as postgres_deliveries
from hookwright.stores.postgres.connections import SESSION, Address
from hookwright.stores.sql import handlers, keysets
from hookwright.stores.sql.registry import READERS
from hookwright.stores.sqlite.connections import open_reader
from hookwright.stores.sqlite.store import open_store
from tests.postgres import Postgres

pytestmark = pytest.mark.long
HANDLERS = (handlers,)
FEW, MANY = 5_000, 20_000
NOW = 1_760_000_000_000
PAGE = 5
BUDGET = 100
"""Rows that one request may look at here: fewer than each long list has even in the smaller of the two databases."""
MOST_ROWS = 3 * BUDGET + 20 * PAGE
"""A list may look at its window twice, for its end and for what passes the filter, and looks up what it shows."""
STEPS_PER_ROW = 15
"""Of SQLite's virtual machine."""
Cost = dict[str, Counted]


def _quiet(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysets, "LEAST_BUDGET", BUDGET - 10 * PAGE)
    monkeypatch.setattr(keysets, "ROWS_PER_ITEM", 10)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("growth")
    few, many = str(folder / "few.db"), str(folder / "many.db")
    asyncio.run(fill(few, shape(FEW), _quiet, NOW))
    asyncio.run(fill(many, shape(MANY), _quiet, NOW))
    return few, many


@pytest.fixture(scope="module")
def servers(postgres: Postgres) -> tuple[str, str]:
    postgres.execute("create database few", "create database many")
    asyncio.run(fill(postgres.url("few"), shape(FEW), _quiet, NOW))
    asyncio.run(fill(postgres.url("many"), shape(MANY), _quiet, NOW))
    return postgres.url("few"), postgres.url("many")


async def _costs_on_sqlite(database: str) -> Cost:
    async with open_store(Path(database)) as store:
        asked = await operations(store.read, NOW - DAY_MS // 2, PAGE)
    reader = open_reader(Path(database))
    return {one.name: count_on_sqlite(reader, one.query) for one in asked}


async def _costs_on_postgres(database: str, *, pooled: bool = False) -> Cost:
    """`pooled`: nothing is set for a session, and every statement is planned for its values."""
    connection = await Address(database, pooled=pooled).connect()

    async def read(query: Query[Any]) -> Any:
        async with connection.transaction():
            return await READERS[type(query)](ExaminedDb(connection), query)

    try:
        asked = await operations(read, NOW - DAY_MS // 2, PAGE)
        return {one.name: await count_on_postgres(connection, one.query) for one in asked}
    finally:
        await connection.close()


def _assert_does_not_grow(few: Cost, many: Cost, most: int) -> None:
    """Bounded, and not more where there is more; what a statistic sums up are hours, not messages."""
    for name, counted in many.items():
        cost, before = sum(count for _, count in counted), sum(count for _, count in few[name])
        if not name.startswith("stats"):
            assert cost <= most, (name, counted)
        assert cost <= 1.5 * max(before, most / 3), (name, few[name], counted)


def test_no_list_looks_at_more_where_there_is_more_on_sqlite(files: tuple[str, str]) -> None:
    few, many = (asyncio.run(_costs_on_sqlite(database)) for database in files)
    _assert_does_not_grow(few, many, STEPS_PER_ROW * MOST_ROWS)


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
def test_no_list_looks_at_more_where_there_is_more_on_postgresql(servers: tuple[str, str], pooled: bool) -> None:
    few, many = (asyncio.run(_costs_on_postgres(database, pooled=pooled)) for database in servers)
    _assert_does_not_grow(few, many, MOST_ROWS)


def test_every_list_costs_something_and_names_its_statements(files: tuple[str, str]) -> None:
    for name, counted in asyncio.run(_costs_on_sqlite(files[0])).items():
        assert counted, name
        assert all("." in place and steps > 0 for place, steps in counted), (name, counted)


LIMIT = 16


async def _claims(database: str, backlog: int) -> tuple[Counted, Counted]:
    """What it costs to find the endpoints that have due rows, and to claim `LIMIT` rows of one with a backlog."""
    async with opened(database, NOW - DAY_MS, NOW) as insert:
        connection = await asyncpg.connect(database, server_settings=SESSION)

        async def read(query: Query[Any]) -> Any:
            return await READERS[type(query)](ExaminedDb(connection), query)

        loaded = await read(LoadApplication(organization=ORG, ref=f"customer-{BIG}"))
        endpoint = loaded.endpoints[0].id
        await add_backlog(insert, [(loaded.application.id, endpoint)], backlog, NOW)
        try:
            found = await count_on_postgres(connection, DueEndpoints())
            claiming = ExaminedDb(connection)
            async with connection.transaction():
                await connection.execute("insert into nodes (epoch, started_at, seen_at) overriding system value values (7, 0, 0)")
                await postgres_deliveries.claim_due(claiming, ClaimDue(endpoint=endpoint, owner=7, now=NOW, limit=LIMIT, most_bytes=2**20))
        finally:
            await connection.close()
    return found, claiming.counted


def test_a_claim_looks_at_what_it_takes_however_much_is_due_on_postgresql(postgres: Postgres) -> None:
    costs = []
    for name, backlog in (("short", 500), ("long", 5_000)):
        postgres.execute(f"create database {name}")
        asyncio.run(fill(postgres.url(name), shape(500), _quiet, NOW))
        found, claimed = asyncio.run(_claims(postgres.url(name), backlog))
        costs.append((sum(count for _, count in found), sum(count for _, count in claimed)))
    assert costs[1][0] <= costs[0][0] + 2
    assert costs[1][1] <= costs[0][1] + 2
    assert costs[1][1] <= 20 * LIMIT


def test_statistics_look_once_at_what_waits_and_at_no_outcome_of_it_on_postgresql(postgres: Postgres) -> None:
    async def cost(database: str, waiting: int) -> dict[str, int]:
        filled = await fill(database, shape(500), _quiet, NOW)
        place = filled.registered.applications[BIG], filled.registered.endpoints[BIG][0]
        async with opened(database, NOW - DAY_MS, NOW) as insert:
            await add_backlog(insert, [place], waiting, NOW)
        connection = await asyncpg.connect(database, server_settings=SESSION)
        try:
            asked = EndpointStats(application=place[0], endpoint=place[1], since=0, until=NOW + DAY_MS)
            return dict(await count_on_postgres(connection, asked))
        finally:
            await connection.close()

    postgres.execute("create database waiting")
    assert 500 <= asyncio.run(cost(postgres.url("waiting"), 500))["stats.live"] <= 600


DISABLE = "update endpoints set disabled_reason = 'manual'"


async def _fill_with_held(database: str, endpoints: int) -> None:
    """Each of the endpoints has a row that waits; to be disabled."""
    filled = await fill(database, Shape(messages=100, applications=200, endpoints=endpoints, days=1), _quiet, NOW)
    pairs = zip(filled.registered.applications, filled.registered.endpoints, strict=True)
    async with opened(database, NOW - DAY_MS, NOW) as insert:
        await add_backlog(insert, [(application, endpoint) for application, of in pairs for endpoint in of], 1, NOW)


def test_looking_for_what_is_due_is_bounded_by_its_page_however_many_are_disabled_on_sqlite(tmp_path: Path) -> None:
    costs = []
    for endpoints in (400, 4_000):
        path = tmp_path / f"{endpoints}.db"
        asyncio.run(_fill_with_held(str(path), endpoints))
        with sqlite3.connect(path) as connection:
            connection.execute(DISABLE)
        costs.append(sum(steps for _, steps in count_on_sqlite(open_reader(path), DueEndpoints(limit=PAGE))))
    assert costs[0] == costs[1] <= STEPS_PER_ROW * 4 * PAGE


def test_looking_for_what_is_due_is_bounded_by_its_page_however_many_are_disabled_on_postgresql(postgres: Postgres) -> None:
    async def cost(database: str) -> int:
        connection = await asyncpg.connect(database, server_settings=SESSION)
        try:
            return sum(rows for _, rows in await count_on_postgres(connection, DueEndpoints(limit=PAGE)))
        finally:
            await connection.close()

    costs = []
    for endpoints in (400, 4_000):
        name = f"held{endpoints}"
        postgres.execute(f"create database {name}")
        asyncio.run(_fill_with_held(postgres.url(name), endpoints))
        postgres.execute(DISABLE, database=name)
        costs.append(asyncio.run(cost(postgres.url(name))))
    assert costs[0] == costs[1] <= 4 * PAGE


async def _due_steps(database: str, of: Shape) -> int:
    """To find the two endpoints that have a backlog."""
    filled = await fill(database, of, _quiet, NOW)
    places = [(filled.registered.applications[place], filled.registered.endpoints[place][0]) for place in (5, 6)]
    async with opened(database, NOW - DAY_MS, NOW) as insert:
        await add_backlog(insert, places, 100, NOW)
    return sum(steps for _, steps in count_on_sqlite(open_reader(Path(database)), DueEndpoints()))


def test_finding_what_is_due_costs_no_more_where_there_are_more_endpoints_on_sqlite(tmp_path: Path) -> None:
    few, many = (Shape(messages=100, applications=200, endpoints=endpoints, days=1) for endpoints in (400, 4_000))
    steps = [asyncio.run(_due_steps(str(tmp_path / f"{of.endpoints}.db"), of)) for of in (few, many)]
    assert 0 < steps[1] <= steps[0] + 20
