"""Options that several commands share, and how the texts given to them are read."""

import re
import time
from datetime import datetime
from typing import Annotated

import typer

from hookwright.domain.organizations import DEFAULT_ORGANIZATION

_ORGANIZATION = re.compile(r"org_[A-Za-z0-9_\-.]{1,252}", re.ASCII)

Database = Annotated[str | None, typer.Option(metavar="URL", help="sqlite:///file.db or postgresql://user@host/name [HOOKWRIGHT_DATABASE]")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="HOOKWRIGHT_URL",
        show_envvar=False,
        help="The running server to talk to, if it is not at the configured host and port. [HOOKWRIGHT_URL]",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="HOOKWRIGHT_TOKEN",
        show_envvar=False,
        help="A token for the running server; made from the installation's secret if left out. [HOOKWRIGHT_TOKEN]",
    ),
]


def _organization(text: str) -> str:
    if not _ORGANIZATION.fullmatch(text):
        raise typer.BadParameter("an organization is written org_ and letters, digits, minus, underscore or dot")
    return text


Organization = Annotated[str, typer.Option(metavar="ORG_ID", help="The organization that it concerns.", callback=_organization)]
THE_ORGANIZATION = DEFAULT_ORGANIZATION

_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999, Unix ms: RFC 3339 writes years with four digits."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def read_expiry(text: str, now: int) -> int:
    """Unix ms of `90d`, `12h` (from `now`, Unix ms) or of a date and time. Raises BadParameter."""
    duration = _DURATION.fullmatch(text)
    moment = _read_time(text) if duration is None else now + int(duration[1]) * _SECONDS[duration[2]] * 1000
    if moment > LATEST:
        raise typer.BadParameter(f"{text!r} is after the year 9999; leave --expires out for a key that does not end by itself")
    return moment


def _read_time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a duration like 90d, 12h or 30m nor a time like 2030-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} lacks a zone: it would mean another moment elsewhere; for example 2030-01-31T12:00:00Z")
    return round(moment.timestamp() * 1000)
