"""What removes in slices finds its rows by an index: no slice grows with the database."""

import asyncio
import re
from pathlib import Path

import pytest

from bench.growth.examinations import count_on_sqlite
from hookwright.store.messages import ExpungeContent
from hookwright.stores.sql.registry import load_sql
from hookwright.stores.sqlite.connections import open_writer
from hookwright.stores.sqlite.store import open_store
from tests.conformance.makers import World

BOUNDED = ("INDEX applications_deleted", "json_each VIRTUAL TABLE")
"""What may be read from end to end: an index of the few that are to go, and a list that was handed in."""


@pytest.mark.parametrize(("noun", "name"), [(noun, name) for noun in ("removal", "retention") for name in sorted(vars(load_sql(noun)))])
def test_no_statement_that_removes_reads_a_whole_table(tmp_path: Path, noun: str, name: str) -> None:
    sql = getattr(load_sql(noun), name)
    connection = open_writer(tmp_path / "a.db")
    values = dict.fromkeys(re.findall(r":(\w+)", sql), "[]")
    plan = [str(row[3]) for row in connection.execute(f"explain query plan {sql}", values).fetchall()]
    connection.close()
    assert plan
    assert [step for step in plan if step.startswith("SCAN") and not any(bounded in step for bounded in BOUNDED)] == []


def test_a_payload_is_removed_by_as_few_statements_however_many_endpoints_wait_for_it(tmp_path: Path) -> None:
    commands = []

    async def fill() -> None:
        async with open_store(tmp_path / "a.db") as store:
            world = World(store)
            await world.application()
            for endpoints in (1, 30):
                message = await world.message(*[await world.endpoint() for _ in range(endpoints)])
                commands.append(ExpungeContent(application=world.app, message=message.id, now=world.now))

    asyncio.run(fill())
    connection = open_writer(tmp_path / "a.db")
    one, many = (len(count_on_sqlite(connection, command)) for command in commands)
    assert connection.execute("select count(*) from outcomes where state = 4").fetchall() == [(31,)]
    connection.close()
    assert one == many
