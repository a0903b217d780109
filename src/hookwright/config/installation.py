"""The process itself: where it listens and keeps things, its secrets, what it does, its log and its end."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, SecretStr

from hookwright.config.options import option
from hookwright.config.values import Database, Ring


class Installation(BaseModel):
    config: Path | None = option(
        None, "file", "A TOML file with any of these options, by their lower-case names.", "For setups with too many variables."
    )
    host: str = option(
        "127.0.0.1", "address", "Where to listen.", "Reachable from this machine only, until somebody decides otherwise.", min_length=1
    )
    port: int = option(
        8071, "port", "The port to listen on; 0 lets the system choose.", "Clients written for the Svix server expect it.", ge=0, le=65535
    )
    database: Database = option(
        "sqlite:///hookwright.db",
        "url",
        "A SQLite file (three slashes for a relative path, four for an absolute one), or `postgresql://user:password@host/name`.",
        "Nothing to install.",
        repr=False,
    )
    database_pooled: bool = option(
        False,
        "yes or no",
        "A pooler in transaction mode (pgbouncer) stands before PostgreSQL: nothing is prepared or listened to.",
        "A direct connection is faster.",
    )
    lease: float = option(
        10.0,
        "seconds",
        "How long a process on PostgreSQL may be silent before others take over its deliveries.",
        "Longer than a garbage collection, a slow commit or a live migration takes.",
        ge=2,
        le=600,
    )
    role: Literal["all", "api", "worker"] = option(
        "all",
        "word",
        "What this process does: `api` accepts and answers, `worker` delivers. On SQLite only `all`.",
        "One process can do everything.",
    )
    workers: int = option(
        1,
        "processes",
        "Processes that share the port, each with every limit here to itself. More than one needs PostgreSQL.",
        "A SQLite file has one owner; and how many cores are for this program is not for it to guess.",
        ge=1,
        le=256,
    )
    jwt_secret: SecretStr | None = option(
        None,
        "secret",
        "Signs and checks API tokens (HS256).",
        "Generated into the key file beside a SQLite file. Needed to listen publicly, and on PostgreSQL.",
    )
    encryption_keys: Ring | None = option(
        None,
        "secret",
        "Keys that seal stored secrets: `name:base64`, comma-separated, the current one first.",
        "Generated into the key file beside a SQLite file. Needed on PostgreSQL.",
    )
    allow_lost_keys: bool = option(
        False,
        "yes or no",
        "Start although stored secrets cannot be opened: deliveries to those endpoints wait until they are made anew.",
        "A key that is missing is most often a mistake, and the data needs it.",
    )
    shutdown_grace: float = option(
        10.0,
        "seconds",
        "How long requests and attempts under way may take to finish at a stop.",
        "Orchestrators wait 10 to 30 s before they kill.",
        ge=0,
        le=3600,
    )
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info",
        "word",
        "The least severe log line that is written.",
        "Start, stop and what needs somebody; deliveries are in the API, not in the log.",
    )
    log_format: Literal["auto", "json", "console"] = option(
        "auto", "word", "How log lines look; `auto` is console on a terminal, JSON otherwise.", "People and collectors each get theirs."
    )
