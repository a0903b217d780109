"""What removes in slices finds its rows by an index: no slice grows with the database."""

import re
from pathlib import Path

import pytest

from hookwright.stores.sql.removal import SQL
from hookwright.stores.sqlite.connections import open_writer


@pytest.mark.parametrize("name", sorted(vars(SQL)))
def test_no_statement_that_removes_reads_a_whole_table(tmp_path: Path, name: str) -> None:
    sql = getattr(SQL, name)
    connection = open_writer(tmp_path / "a.db")
    values = dict.fromkeys(re.findall(r":(\w+)", sql), "")
    plan = [str(row[3]) for row in connection.execute(f"explain query plan {sql}", values).fetchall()]
    connection.close()
    assert plan
    assert [step for step in plan if step.startswith("SCAN") and "INDEX applications_deleted" not in step] == []
