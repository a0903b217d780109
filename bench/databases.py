"""Where a measured server keeps its data: a SQLite file in its folder, or a database of a PostgreSQL of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from bench import processes
from tests.postgres import Postgres, running_postgres

KINDS = ("sqlite", "postgres")
Environment = dict[str, str]


class Databases:
    """`fresh` gives a server's environment for an empty database; without `postgres` each server makes its own file."""

    def __init__(self, postgres: Postgres | None) -> None:
        self.postgres = postgres
        self._numbers = count(1)

    def fresh(self) -> Environment:
        if self.postgres is None:
            return {}
        name = f"bench_{next(self._numbers)}"
        self.postgres.execute(f"create database {name}")
        return {"HOOKWRIGHT_DATABASE": self.postgres.url(name)}

    def drop(self, environment: Environment) -> None:
        """What its server has written goes: an older round must not make a later one's checkpoints longer."""
        if self.postgres is not None:
            name = environment["HOOKWRIGHT_DATABASE"].rpartition("/")[2]
            self.postgres.execute(f"drop database {name} with (force)")

    def cpu_seconds(self) -> float:
        """Of PostgreSQL's processes so far; 0 for SQLite, which works in the server's own."""
        return processes.cpu_seconds(self.postgres.pid) if self.postgres is not None else 0.0


@contextmanager
def databases(kind: str, **settings: str) -> Iterator[Databases]:
    """With `settings` of PostgreSQL's configuration file.

    Raises RuntimeError, saying what is to be installed, if there is no PostgreSQL on this machine.
    """
    if kind == "sqlite":
        yield Databases(None)
        return
    with running_postgres(**settings) as postgres:
        yield Databases(postgres)
