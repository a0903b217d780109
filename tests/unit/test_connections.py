"""docs/postgresql.md says how many connections a process may open."""

from pathlib import Path

from hookwright.stores.postgres.connections import Address, Line, Lines
from hookwright.stores.postgres.listening import Ear
from hookwright.stores.postgres.store import PostgresStore


def test_the_documented_number_of_connections_is_the_most_that_a_process_opens() -> None:
    parts = vars(PostgresStore(Address("postgresql://nobody/nothing"))).values()
    most = sum(len(part._all) if isinstance(part, Lines) else isinstance(part, Line | Ear) for part in parts)
    text = (Path(__file__).parents[2] / "docs" / "postgresql.md").read_text(encoding="utf-8")
    assert f"A process opens at most {most} connections to PostgreSQL" in " ".join(text.split())
