"""How the values of options are read, from text or from TOML. Each refusal says what would be right, and never repeats a key."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr
from pydantic_settings import NoDecode

from hookwright.domain.addresses import Network, parse_networks
from hookwright.domain.egress import WEB_PORTS, Opening, parse_nat64, parse_openings, parse_ports, show_ports
from hookwright.domain.messages import MAX_RETENTION_DAYS
from hookwright.domain.proxies import parse_proxy
from hookwright.domain.retries import schedule_problem
from hookwright.vault import parse_keys

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _database(value: str) -> str:
    if value.startswith(("postgresql:", "postgres:")):
        return _postgres(value)
    path = value.removeprefix("sqlite:///")
    if path == value or not path:
        raise ValueError(
            "right would be sqlite:///file.db (beside the working directory), sqlite:////absolute/path/file.db or postgresql://user@host/name"
        )
    if path.startswith(":memory:") or "?" in path:
        raise ValueError("a plain file is needed, so that what was accepted outlives the process: sqlite:///hookwright.db")
    return value


def _postgres(value: str) -> str:
    """What stands after the name must not be a part of a password: it would be shown."""
    right = "right would be postgresql://user:password@host/hookwright"
    parts = urlsplit(value)
    try:
        readable = "//" in value[:13] and (parts.port is None or parts.port > 0) and "@" not in parts.path and not parts.fragment
    except ValueError:
        readable = False
    if not readable:
        raise ValueError(f"it cannot be read; {right}, with / # ? @ : and % in a password written as %2F %23 %3F %40 %3A and %25")
    if not parts.path.strip("/"):
        raise ValueError(f"the database's name is missing; {right}")
    return value


def _schedule(value: tuple[float, ...]) -> tuple[float, ...]:
    if problem := schedule_problem(value):
        raise ValueError(problem)
    return value


def _age(value: int) -> int:
    if value and value < MAX_RETENTION_DAYS:
        raise ValueError(f"right would be {MAX_RETENTION_DAYS} days or more, as payloads may be kept for so long, or 0: for ever")
    return value


def _networks(value: object) -> object:
    parts = _split(value)
    return parse_networks(map(str, parts)) if isinstance(parts, list | tuple) else parts


def _openings(value: object) -> object:
    parts = _split(value)
    return parse_openings(map(str, parts)) if isinstance(parts, list | tuple) else parts


def _nat64(value: object) -> object:
    parts = _split(value)
    return parse_nat64(map(str, parts)) if isinstance(parts, list | tuple) else parts


def _ports(value: object) -> object:
    parts = _split(value)
    if parts == WEB_PORTS:  # the default, which is read already
        return parts
    return parse_ports(map(str, parts)) if isinstance(parts, list | tuple) else parts


def _proxy(value: SecretStr) -> SecretStr:
    parse_proxy(value.get_secret_value())
    return value


def _ring(value: SecretStr) -> SecretStr:
    parse_keys(value.get_secret_value())
    return value


def _portal(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("right would be an address like https://hooks.example.com")
    return value.rstrip("/")


def _origin(value: str) -> str:
    name = value.lower().rstrip(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("right would be a host name, like hooks.example.com")
    return name


_Comma = PlainSerializer(lambda values: ",".join(f"{each:g}" if isinstance(each, float) else str(each) for each in values), return_type=str)

Database = Annotated[str, AfterValidator(_database)]
Age = Annotated[int, AfterValidator(_age)]
Schedule = Annotated[tuple[float, ...], NoDecode, BeforeValidator(_split), AfterValidator(_schedule), _Comma]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks), _Comma]
Openings = Annotated[tuple[Opening, ...], NoDecode, BeforeValidator(_openings), _Comma]
Nat64 = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_nat64), _Comma]
OpenPorts = Annotated[
    tuple[tuple[int, int], ...], NoDecode, BeforeValidator(_ports), PlainSerializer(show_ports, return_type=str)
]  # fmt: skip
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
Ring = Annotated[SecretStr, AfterValidator(_ring)]
Portal = Annotated[str, AfterValidator(_portal)]
Origin = Annotated[str, AfterValidator(_origin)]
