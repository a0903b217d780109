"""One suite for every store: each test takes `stores`, and runs once per backend."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from hookwright.store import Store
from hookwright.stores.postgres.store import open_store as open_postgres
from hookwright.stores.sqlite.store import open_store as open_sqlite
from tests.conformance.makers import NOW, OWNER
from tests.postgres import Postgres, running_postgres

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
_numbers = count(1)


@pytest.fixture(scope="session")
def template() -> Iterator[Postgres]:
    """A server with a database `template` whose schema is up to date, and in which the tests' node is one."""
    with running_postgres() as server:
        server.execute("create database template")

        async def prepare() -> None:
            async with open_postgres(server.url("template"), now=NOW):
                connection = await asyncpg.connect(server.url("template"))
                await connection.execute("insert into nodes (started_at, seen_at) select 0, 0 from generate_series(1, $1)", OWNER + 1)
                await connection.close()

        asyncio.run(prepare())
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the store under test; opening it again finds what was committed before."""
    if request.param == "sqlite":
        return lambda: open_sqlite(tmp_path / "store.db")
    server: Postgres = request.getfixturevalue("template")
    name = f"test{next(_numbers)}"
    server.execute(f"create database {name} template template")
    request.addfinalizer(lambda: server.execute(f"drop database {name} with (force)"))
    return lambda: open_postgres(server.url(name), now=NOW)
