"""Settings: every option with its meaning, unit, default and reason, and a refusal that says what would be right.

Order, first wins: flags (arguments of `Settings.load`), environment (`HOOKWRIGHT_*`), the TOML file that
HOOKWRIGHT_CONFIG names, defaults. An empty variable counts as absent, because that is what `${NAME:-}` makes of it.
Secrets never appear in a representation, a document or an error.
"""

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from hookwright.config.mistakes import PREFIX, explain, unknown_variables
from hookwright.config.values import Age, Database, Nat64, Networks, OpenPorts, Origin, Portal, Proxy, Ring, Schedule
from hookwright.domain import proxies
from hookwright.domain.egress import WEB_PORTS, Egress
from hookwright.domain.messages import MAX_RETENTION_DAYS
from hookwright.domain.retries import DEFAULT_SCHEDULE
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


def _option(default: Any, unit: str, meaning: str, why: str, **bounds: Any) -> Any:
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "why": why}, **bounds)


class Settings(BaseSettings):
    """All options, checked. Build it with `load`. Times are seconds, sizes bytes, unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    config: Path | None = _option(
        None, "file", "A TOML file with any of these options, by their lower-case names.", "For setups with too many variables."
    )
    host: str = _option(
        "127.0.0.1", "address", "Where to listen.", "Reachable from this machine only, until somebody decides otherwise.", min_length=1
    )
    port: int = _option(
        8071, "port", "The port to listen on; 0 lets the system choose.", "Clients written for the Svix server expect it.", ge=0, le=65535
    )
    database: Database = _option(
        "sqlite:///hookwright.db",
        "url",
        "A SQLite file (three slashes for a relative path, four for an absolute one), or `postgresql://user:password@host/name`.",
        "Nothing to install.",
        repr=False,
    )
    database_pooled: bool = _option(
        False,
        "yes or no",
        "A pooler in transaction mode (pgbouncer) stands before PostgreSQL: nothing is prepared or listened to.",
        "A direct connection is faster.",
    )
    lease: float = _option(
        10.0,
        "seconds",
        "How long a process on PostgreSQL may be silent before others take over its deliveries.",
        "Longer than a garbage collection, a slow commit or a live migration takes.",
        ge=2,
        le=600,
    )
    role: Literal["all", "api", "worker"] = _option(
        "all",
        "word",
        "What this process does: `api` accepts and answers, `worker` delivers. On SQLite only `all`.",
        "One process can do everything.",
    )
    workers: int = _option(
        1,
        "processes",
        "Processes that share the port, each with every limit here to itself. More than one needs PostgreSQL.",
        "A SQLite file has one owner; and how many cores are for this program is not for it to guess.",
        ge=1,
        le=256,
    )
    jwt_secret: SecretStr | None = _option(
        None,
        "secret",
        "Signs and checks API tokens (HS256).",
        "Generated into the key file beside a SQLite file. Needed to listen publicly, and on PostgreSQL.",
    )
    encryption_keys: Ring | None = _option(
        None,
        "secret",
        "Keys that seal stored secrets: `name:base64`, comma-separated, the current one first.",
        "Generated into the key file beside a SQLite file. Needed on PostgreSQL.",
    )
    retry_schedule: Schedule = _option(
        DEFAULT_SCHEDULE, "seconds", "Waits between the attempts of a delivery, comma-separated; fractions are allowed.",
        "Ten attempts over three days, the example of the Standard Webhooks specification.",
    )  # fmt: skip
    retry_jitter: float = _option(
        0.2,
        "share",
        "How far a wait may stray to either side.",
        "Receivers that failed together are not all tried again at the same instant.",
        ge=0,
        lt=1,
    )
    attempt_timeout: float = _option(
        30.0,
        "seconds",
        "The whole time of one attempt, from name lookup to the answer's end.",
        "Slow receivers finish, stuck ones do not hold a place.",
        ge=1,
        le=60,
    )
    signature_headers: Literal["standard", "svix", "both"] = _option(
        "standard",
        "word",
        "Names of the signature headers: `webhook-*`, `svix-*`, or both.",
        "The Standard Webhooks specification's names.",
    )
    allow_networks: Networks = _option(
        (),
        "networks",
        "Private networks that deliveries may go to, comma-separated.",
        "None: an endpoint's URL must not reach into our own network.",
    )
    deny_networks: Networks = _option(
        (),
        "networks",
        "Networks that deliveries may not go to, whatever else is open, comma-separated.",
        "This machine's own addresses are refused without; those by which others reach it are known to you alone.",
    )
    allow_ports: OpenPorts = _option(
        WEB_PORTS,
        "ports",
        "Ports on the public internet that deliveries may go to, comma-separated; ranges like `1024-65535` too.",
        "Where web servers are. A network that was opened is open on every port.",
    )
    nat64: Nat64 = _option(
        (),
        "networks",
        "The NAT64 prefixes of a network that has IPv6 alone, comma-separated, like `64:ff9b::/96`.",
        "Elsewhere such addresses are a way around the rules.",
    )
    egress_proxy: Proxy | None = _option(
        None,
        "url",
        "A forward proxy (HTTP CONNECT) by which all requests leave, `http://user:password@host:port`.",
        "Requests go straight out; see [egress.md](egress.md). What the environment calls a proxy is not heeded.",
    )
    allow_lost_keys: bool = _option(
        False,
        "yes or no",
        "Start although stored secrets cannot be opened: deliveries to those endpoints wait until they are made anew.",
        "A key that is missing is most often a mistake, and the data needs it.",
    )
    https_only: bool = _option(
        False, "yes or no", "Refuse endpoints with plain http URLs.", "Development and internal receivers often have no certificate."
    )
    max_message_bytes: int = _option(
        1_048_576, "bytes", "The largest request body that is accepted.", "Four times what receivers usually take.", ge=1024, le=67_108_864
    )
    max_endpoints: int = _option(
        5000,
        "endpoints",
        "The most endpoints of one application.",
        "One transaction has to hold a message's whole fan-out.",
        ge=1,
        le=100_000,
    )
    message_retention: Age = _option(
        MAX_RETENTION_DAYS,
        "days",
        "How long messages are kept, with their attempts and numbers; 0 for ever. At least 90, as long as a payload may be kept.",
        "No payload is kept longer, so nothing older can be shown whole or sent again; and no disk is endless.",
        ge=0,
        le=36_500,
    )
    concurrency: int = _option(
        512, "attempts", "Attempts under way at once.", "Well below the usual limit of 1,024 open files.", ge=1, le=65_536
    )
    endpoint_concurrency: int = _option(
        64, "attempts", "Attempts under way at once to one endpoint.", "One slow receiver leaves room for the others.", ge=1, le=65_536
    )
    breaker_pause: float = _option(
        30.0,
        "seconds",
        "How long nothing is sent to an endpoint that is found to be sick, the first time; up to 30 times as long when it goes on.",
        "Long enough to come back in, short enough that nobody waits for us.",
        ge=0.01,
        le=3600,
    )
    recovery_rate: int = _option(
        50,
        "messages a second",
        "At most so many go to an endpoint with a backlog after it was disabled or gave no answers, until that is gone; and a task that "
        "sends again (recover, replay) adds no more.",
        "Whoever has just come back is not struck down again.",
        ge=1,
        le=100_000,
    )
    disable_after: int = _option(
        5,
        "days",
        "An endpoint that succeeded in nothing for so long is disabled; 0: never.",
        "Its messages are held from then on.",
        ge=0,
        le=365,
    )
    queue_size: int = _option(
        5000,
        "deliveries",
        "Deliveries held in memory; the rest waits in the database.",
        "Memory stays bounded whatever the backlog.",
        ge=1,
        le=1_000_000,
    )
    queue_bytes: int = _option(
        32 * 1024 * 1024, "bytes", "Payload bytes held in memory for them.", "The same, for large payloads.", ge=65_536
    )
    response_store_bytes: int = _option(
        16_384, "bytes", "How much of a receiver's answer is kept.", "Enough for an error page's useful part.", ge=0, le=1_048_576
    )
    response_read_bytes: int = _option(
        65_536,
        "bytes",
        "How much of an answer is read before the connection is dropped.",
        "A connection can be used again after a small answer only.",
        ge=0,
        le=16_777_216,
    )
    transformation_workers: int = _option(
        4,
        "processes",
        "Processes in which transformations run, one at a time in each; 0 turns transformations off.",
        "None is begun before there is a transformation to run; and one customer's never has them all.",
        ge=0,
        le=256,
    )
    transformation_seconds: float = _option(
        1.0,
        "seconds",
        "The processor's time that one run of a transformation may take.",
        "A thousand times what a useful one takes, and little enough to be lost.",
        gt=0,
        le=30,
    )
    transformation_bytes: int = _option(
        64 * 1024 * 1024,
        "bytes",
        "The memory that one run of a transformation may take.",
        "A message of the largest size fits in several times.",
        ge=8 * 1024 * 1024,
        le=1024 * 1024 * 1024,
    )
    shutdown_grace: float = _option(
        10.0,
        "seconds",
        "How long requests and attempts under way may take to finish at a stop.",
        "Orchestrators wait 10 to 30 s before they kill.",
        ge=0,
        le=3600,
    )
    log_level: Literal["debug", "info", "warning", "error"] = _option(
        "info",
        "word",
        "The least severe log line that is written.",
        "Start, stop and what needs somebody; deliveries are in the API, not in the log.",
    )
    log_format: Literal["auto", "json", "console"] = _option(
        "auto", "word", "How log lines look; `auto` is console on a terminal, JSON otherwise.", "People and collectors each get theirs."
    )
    header_bytes: int = _option(
        32_768,
        "bytes",
        "The largest request line and headers together.",
        "Four times what common servers take; memory stays bounded.",
        ge=1024,
        le=1_048_576,
    )
    header_seconds: float = _option(
        10.0,
        "seconds",
        "How long a request's headers may take to arrive.",
        "Slow on purpose is the oldest way to hold a server.",
        gt=0,
        le=3600,
    )
    request_seconds: float = _option(
        30.0, "seconds", "How long a whole request may take to arrive, or an answer to be read.", "A megabyte at 35 kB/s.", gt=0, le=3600
    )
    keep_alive_seconds: float = _option(
        15.0, "seconds", "How long an idle connection is kept for the next request.", "Reuse is cheap, hoarding is not.", gt=0, le=3600
    )
    max_connections: int = _option(
        4096,
        "connections",
        "Open connections to the API; one more is answered 503.",
        "Each costs some kilobytes and a file descriptor.",
        ge=1,
        le=1_000_000,
    )
    max_connections_per_address: int | None = _option(
        None,
        "connections",
        "Of those, the most from one address; one more is answered 503.",
        "None: behind a proxy all callers come from the proxy's address. Set it where callers connect directly.",
        ge=1,
        le=1_000_000,
    )
    portal_url: Portal | None = _option(
        None,
        "url",
        "Base of the addresses that app-portal-access returns.",
        "Taken from the request; set it behind a proxy that changes the name.",
    )
    webhook_origin: Origin | None = _option(
        None,
        "host name",
        "The name of this installation, by which receivers are asked whether they allow messages from it (the CloudEvents handshake).",
        "None: nobody but you knows it, and an endpoint cannot ask for that handshake before it is set.",
    )

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
