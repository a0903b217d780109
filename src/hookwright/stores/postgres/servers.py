"""Whether a server can keep what is acknowledged.

A commit is an acknowledgement's ground (P1). Where the server says that a transaction is committed before it is on its
disk, there is none: such a server is refused, and there is no switch to have it all the same.
"""

import logging
from typing import Any

import msgspec

from hookwright.errors import StoreRefused

log = logging.getLogger(__name__)
OLDEST = 130_000
_ASKED = (
    "server_version_num", "server_version", "server_encoding", "fsync", "synchronous_commit", "full_page_writes",
    "idle_in_transaction_session_timeout", "track_activities",
)  # fmt: skip
_LOOK = f"select {', '.join(f'current_setting({name!r})' for name in _ASKED)}"


class Server(msgspec.Struct, frozen=True):
    """As this user has it in this database: settings of both count."""

    number: int
    version: str
    encoding: str
    fsync: str
    synchronous_commit: str
    full_page_writes: str
    idle_limit: str
    """Of a session in the middle of a transaction: only behind a pooler, where no session can be told, it is not our own."""
    track_activities: str = "on"

    def lossy(self) -> list[str]:
        """What makes an acknowledgement a lie, with the way to mend it, one line each."""
        found = []
        if self.fsync == "off":
            found.append("fsync is off, so a power cut loses what was acknowledged: set fsync = on in postgresql.conf")
        if self.synchronous_commit == "off":
            found.append(
                "synchronous_commit is off, so a crash loses what was acknowledged: turn it on (alter role or database ... "
                "set synchronous_commit = on, or postgresql.conf)"
            )
        return found

    def unbounded(self) -> list[str]:
        """What lets a process that hangs keep its locks for ever, and with them its deliveries."""
        if self.idle_limit != "0":
            return []
        return [
            "idle_in_transaction_session_timeout is 0, so nobody can take over from a process that freezes in the middle of a "
            "transaction: alter role ... set idle_in_transaction_session_timeout = '5s' (docs/postgresql.md)"
        ]

    def unusable(self) -> list[str]:
        """What else this program cannot work with."""
        found = []
        if self.number < OLDEST:
            found.append(f"PostgreSQL {self.version} is too old: at least {OLDEST // 10_000} is needed")
        if self.encoding != "UTF8":
            found.append(f"the database's encoding is {self.encoding}: create it with encoding 'UTF8'")
        if self.track_activities == "off":
            found.append(
                "track_activities is off, so who reads messages cannot know which are still being written: turn it on (alter role or "
                "database ... set track_activities = on, or postgresql.conf)"
            )
        return found


async def look(connection: Any) -> Server:
    number, *texts = await connection.fetchrow(_LOOK)
    return Server(int(number), *texts)


async def check_server(connection: Any) -> None:
    """Raises StoreRefused."""
    server = await look(connection)
    if found := server.unusable() + server.lossy():
        raise StoreRefused("; ".join(found))
    for line in server.unbounded():
        log.warning("the database's user has no limit of time: %s", line)
