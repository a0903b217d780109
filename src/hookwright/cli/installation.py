"""Which installation a command works on, and who has its database: a running server, or nobody.

A SQLite file has one owner. So a command takes the file's lock; where a server holds it, the command asks that server
over HTTP. Taking the lock is the test: nothing is opened before, and nothing is decided on what was true a moment ago.

PostgreSQL has room for everybody: there a command works in the database itself, beside whatever processes there are.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from hookwright import keyfile
from hookwright.cli.arguments import THE_ORGANIZATION
from hookwright.cli.client import Client, Refused, Unreachable, server_url, sign_token
from hookwright.cli.console import Failed
from hookwright.config import Settings
from hookwright.errors import ConfigurationError, StoreRefused


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What was said on the command line about where to work. `url`, `token`: of a server, if they were given."""

    settings: Settings
    url: str | None = None
    token: str | None = None
    organization: str = THE_ORGANIZATION

    @property
    def path(self) -> Path:
        """Of the SQLite file."""
        return self.settings.database_path.absolute()

    @property
    def name(self) -> str:
        """Of the database, for people."""
        return self.settings.database_name if self.settings.on_postgres else str(self.path)

    @property
    def missing(self) -> bool:
        """Whether it is plain that there is no such database; on PostgreSQL only who tries to open it can tell."""
        return not self.settings.on_postgres and not self.path.exists()

    def client(self) -> Client:
        """A client for the server that holds this database, or the one at `url`. Asks it once. Raises Failed."""
        url = self.url or server_url(self.settings)
        client = Client(url, self.token or sign_token(self.secret(), self.organization))
        try:
            client.check()
        except Unreachable as error:
            if self.url is not None:
                raise
            raise Failed(f"{self._used()}, but {error}; if its server listens elsewhere, say where with --url") from error
        except Refused as error:
            if error.status == 401 and self.token is None:
                raise Failed(
                    f"the server at {url} does not accept a token made with the secret known here: it is another installation's, or has "
                    "another HOOKWRIGHT_JWT_SECRET; name the right server with --url, or give a --token"
                ) from error
            if error.status != 403:  # a key that may not see keys may still do what is wanted
                raise
        return client

    def secret(self) -> str:
        """What tokens of this installation are signed with. Raises ConfigurationError."""
        if self.settings.jwt_secret is not None:
            return self.settings.jwt_secret.get_secret_value()
        if self.settings.on_postgres:
            raise ConfigurationError("no secret to make a token with: set HOOKWRIGHT_JWT_SECRET as the servers have it, or give a --token")
        if not self.settings.key_file.exists():
            raise ConfigurationError(
                f"no secret to make a token with: there is no key file {self.settings.key_file.absolute()}; "
                "name the installation with --database, set HOOKWRIGHT_JWT_SECRET, or give a --token"
            )
        return keyfile.open_or_create(self.settings.key_file).jwt_secret

    def _used(self) -> str:
        if self.settings.on_postgres:
            return f"processes are at work on {self.name}"
        return f"{self.path} is in use{holder_of(self.path)}"


def is_held(error: StoreRefused) -> bool:
    """Whether the database was refused because another process has it."""
    return isinstance(error.__cause__, BlockingIOError)


def holder_of(path: Path) -> str:
    """` by process 123`, as its lock file says, or nothing."""
    with suppress(OSError):
        path = path.resolve()
        pid = path.with_name(path.name + ".lock").read_text("ascii", "replace").strip()
        return f" by process {pid}" if pid.isdigit() else ""
    return ""


def check_new(installation: Installation) -> None:
    """Refuse to begin a database beside a server that most likely has another one: wrong folder, not a fresh start."""
    if not installation.missing:
        return
    url = server_url(installation.settings)
    try:
        Client(url, "none").get("health", "ping")
    except Failed:
        return
    raise Failed(
        f"there is no database {installation.path}, but a server answers at {url}: run this in that server's folder, "
        "name its database with --database, or give --url and --token"
    )
