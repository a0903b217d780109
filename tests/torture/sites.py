"""Where a torture takes place: what runs, over which database, and how to look into it from outside."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from tests.harness import ServerProcess, free_port
from tests.torture import database

SCHEDULE = ",".join(["0.2", "0.5", *["1"] * 28])
LOGGED = {
    "HOOKWRIGHT_RETRY_SCHEDULE": SCHEDULE,
    "HOOKWRIGHT_LOG_FORMAT": "json",
    "HOOKWRIGHT_BREAKER_PAUSE": "0.05",
    "HOOKWRIGHT_RECOVERY_RATE": "100000",
}
"""Receivers that fail one time in five open a breaker now and then: under kills, too, but it is not to decide how long a torture takes."""


class Site(Protocol):
    @property
    def servers(self) -> Sequence[ServerProcess]: ...

    @property
    def patience(self) -> float:
        """Seconds after which a producer gives a request up and asks again."""

    def start(self) -> None:
        """The database, and every server."""

    def count(self, table: str) -> int:
        """Rows, while servers run."""

    def integrity(self) -> str:
        """`ok`, or what is wrong, after the servers have stopped."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Nothing is left running."""


class FileSite:
    """One server on one SQLite file."""

    patience = 40.0

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.server = ServerProcess(folder, free_port(), **LOGGED | (settings or {}))
        self.servers = [self.server]

    def start(self) -> None:
        self.server.start()

    def count(self, table: str) -> int:
        return database.count(self.server.database, table)

    def integrity(self) -> str:
        return database.integrity(self.server.database)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.server.__exit__(kind, error, traceback)
