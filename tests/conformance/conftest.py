"""One suite for every store: each test takes `stores`, and runs once per backend."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import pytest

from hookwright.store import Store
from hookwright.stores.postgres.store import open_store as open_postgres
from hookwright.stores.sqlite.store import open_store as open_sqlite
from tests.conformance.makers import NOW, OWNER
from tests.conformance.tables import ReadTables, change_sqlite, in_a_thread, postgres_tables, sqlite_tables
from tests.pgbouncer import running_pgbouncer
from tests.postgres import Postgres, running_postgres

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
DATABASE = "conformance"
EMPTIED = f"""
do $$ declare name regclass; begin
  perform pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();
  for name in select oid from pg_class
      where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'hookwright_schema' loop
    execute format('delete from %s', name);
  end loop;
  insert into nodes (epoch, started_at, seen_at) overriding system value select n, 0, 0 from generate_series(1, {OWNER + 1}) as n;
end $$"""
"""A test begins with an empty database in which the tests' nodes are some: 30 times faster than with a new one."""


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A server with a database whose schema is up to date."""
    with running_postgres() as server:
        server.execute(f"create database {DATABASE}")

        async def prepare() -> None:
            async with open_postgres(server.url(DATABASE), now=NOW):
                connection = await asyncpg.connect(server.url(DATABASE))
                await connection.execute(f"alter sequence nodes_epoch_seq restart {OWNER + 2}")
                await connection.close()

        asyncio.run(prepare())
        yield server


@pytest.fixture(scope="session")
def pooler(server: Postgres) -> Iterator[int]:
    with running_pgbouncer(server) as port:
        yield port


@pytest.fixture(params=["sqlite", "postgres", "pgbouncer"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the store under test; opening it again finds what was committed before."""
    if request.param == "sqlite":
        return lambda: open_sqlite(tmp_path / "store.db")
    server: Postgres = request.getfixturevalue("server")
    server.execute("set session_replication_role = replica", EMPTIED, database=DATABASE)
    if request.param == "postgres":
        return lambda: open_postgres(server.url(DATABASE), now=NOW)
    pooler: int = request.getfixturevalue("pooler")
    return lambda: open_postgres(server.url(DATABASE, port=pooler), pooled=True, now=NOW)


@pytest.fixture
def tables(stores: OpenStore, request: pytest.FixtureRequest, tmp_path: Path) -> ReadTables:
    """Reads all rows of the store under test, beside it and without its help."""
    if request.node.callspec.params["stores"] == "sqlite":
        return lambda: sqlite_tables(tmp_path / "store.db")
    server: Postgres = request.getfixturevalue("server")
    return lambda: postgres_tables(server.url(DATABASE))


@pytest.fixture
def change(stores: OpenStore, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], None]:
    """Changes rows beside the store and without its help: what a damage, or an earlier release, would have left."""
    if request.node.callspec.params["stores"] == "sqlite":
        return lambda statement: change_sqlite(tmp_path / "store.db", statement)
    server: Postgres = request.getfixturevalue("server")
    return lambda statement: in_a_thread(lambda: server.execute(statement, database=DATABASE))


@pytest.fixture
def lose_contents(change: Callable[[str], None]) -> Callable[[], None]:
    """Takes every content from beside the store, and leaves what was to be sent: only earlier releases did so themselves."""
    return lambda: change("delete from contents")
