"""Settings: all options together, checked, with a refusal that says what would be right.

The options stand beside others of their kind: `installation`, `deliveries`, `destinations`, `transformations`, `callers`.

Order, first wins: flags (arguments of `Settings.load`), environment (`HOOKWRIGHT_*`), the TOML file that
HOOKWRIGHT_CONFIG names, defaults. An empty variable counts as absent, because that is what `${NAME:-}` makes of it.
Secrets never appear in a representation, a document or an error.
"""

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from hookwright.config.callers import Callers
from hookwright.config.deliveries import Deliveries
from hookwright.config.destinations import Destinations
from hookwright.config.installation import Installation
from hookwright.config.mistakes import PREFIX, explain, unknown_variables
from hookwright.config.transformations import Transformations
from hookwright.domain import proxies
from hookwright.domain.egress import Egress
from hookwright.errors import ConfigurationError

if TYPE_CHECKING:
    from hookwright.api.limits import Limits

SPARE_FILES = 64
"""Open files beside connections: database, log, standard streams, sockets on their way out."""

SHORTEST_SOUND_SECRET = 32
"""Bytes: RFC 7518, 3.2 wants an HS256 key at least as long as the hash."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Settings(Callers, Transformations, Destinations, Deliveries, Installation, BaseSettings):
    """All options, checked. Build it with `load`. Times are seconds, sizes bytes, unless the name says otherwise.

    Of the classes above the last one comes first in the document.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = init_settings().get("config") or env_settings().get("config")
        sources = (init_settings, env_settings)
        return sources if path is None else (*sources, InitSettingsSource(settings_cls, init_kwargs=_read_toml(Path(path))))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not is_loopback(self.host) and self.jwt_secret is None:
            raise ValueError(
                f"{PREFIX}HOST={self.host} listens beyond this machine, which needs {PREFIX}JWT_SECRET to be set: a secret that "
                "was generated here is known to nobody who should issue tokens, and to whoever can read this disk"
            )
        if not self.on_postgres and (self.workers > 1 or self.role != "all"):
            wrong = f"{PREFIX}WORKERS={self.workers}" if self.workers > 1 else f"{PREFIX}ROLE={self.role}"
            right = f"{PREFIX}WORKERS=1" if self.workers > 1 else f"{PREFIX}ROLE=all"
            raise ValueError(
                f"{wrong} needs several processes on one database, and a SQLite file has one owner, one process; right would be "
                f"{right}, or {PREFIX}DATABASE=postgresql://user@host/name"
            )
        kept, read = self.response_store_bytes, self.response_read_bytes
        if kept > read:
            raise ValueError(f"{PREFIX}RESPONSE_STORE_BYTES={kept} is more than {PREFIX}RESPONSE_READ_BYTES={read}")
        return self

    @classmethod
    def load(cls, **flags: Any) -> "Settings":
        """Settings from flags (None: not given), environment and file. Raises ConfigurationError with one line per mistake."""
        if unknown := unknown_variables(os.environ, cls.model_fields):
            raise ConfigurationError("\n".join(unknown))
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            raise ConfigurationError("\n".join(explain(each, cls.model_fields) for each in error.errors())) from error
        except SettingsError as error:
            raise ConfigurationError(f"the environment cannot be read: {error}") from error

    @property
    def on_postgres(self) -> bool:
        return not self.database.startswith("sqlite:")

    @property
    def database_name(self) -> str:
        """For people: without a password."""
        if not self.on_postgres:
            return str(self.database_path)
        parts = urlsplit(self.database)
        return f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"

    @property
    def database_path(self) -> Path:
        """Of the SQLite file."""
        return Path(self.database.removeprefix("sqlite:///"))

    @property
    def key_file(self) -> Path:
        path = self.database_path
        return path.with_name(path.name + ".keys")

    @property
    def open_files(self) -> int:
        """Open files that a server with these settings may come to need."""
        return self.max_connections + self.concurrency + SPARE_FILES

    def limits(self) -> "Limits":
        """What the API's server grants one peer."""
        from hookwright.api.limits import Limits  # only who listens pays for loading the server

        return Limits(
            header_bytes=self.header_bytes,
            header_seconds=self.header_seconds,
            request_seconds=self.request_seconds,
            keep_alive_seconds=self.keep_alive_seconds,
            max_connections=self.max_connections,
            max_connections_per_address=self.max_connections_per_address,
        )

    def egress(self) -> Egress:
        """Where requests may go."""
        return Egress(
            allowed=self.allow_networks, denied=self.deny_networks, ports=self.allow_ports, nat64=self.nat64, own_port=self.port
        )  # fmt: skip

    def proxy(self) -> proxies.Proxy | None:
        """By which they leave."""
        return None if self.egress_proxy is None else proxies.parse_proxy(self.egress_proxy.get_secret_value())

    def unsafe_switches(self) -> list[str]:
        """What was opened that is closed by default, one sentence each, to be shown at every start."""
        found = []
        if not is_loopback(self.host):
            found.append(f"{PREFIX}HOST={self.host}: listening beyond this machine, without TLS; put a proxy with TLS in front.")
        if self.allow_networks:
            networks = ",".join(map(str, self.allow_networks))
            found.append(f"{PREFIX}ALLOW_NETWORKS={networks}: whoever may create endpoints can reach into these networks.")
        if self.allow_lost_keys:
            found.append(f"{PREFIX}ALLOW_LOST_KEYS=true: what nobody can open is not noticed at the start, only when it is needed.")
        if self.jwt_secret is not None and len(self.jwt_secret.get_secret_value().encode()) < SHORTEST_SOUND_SECRET:
            found.append(f"{PREFIX}JWT_SECRET: shorter than {SHORTEST_SOUND_SECRET} bytes; it can be guessed from any token.")
        return found


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}CONFIG={path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{PREFIX}CONFIG={path}: is not TOML: {error}") from error
