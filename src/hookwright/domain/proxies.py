"""A forward proxy of the operator's, by which all requests leave: how it is written, http://user:password@host:port."""

import base64
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from hookwright.domain.urls import is_authority

_RIGHT = "right would be http://host:port or http://user:password@host:port, with / ? # @ and : in a password percent-encoded"


class Proxy(NamedTuple):
    """`host` is without brackets; `authorization` is the whole value of its header, None where there are no credentials."""

    host: str
    port: int
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.host!r}, {self.port})"


def parse_proxy(text: str) -> Proxy:
    """Raises ValueError, which says what would be right and repeats nothing: there may be a password in it."""
    credentials, at, authority = text.removeprefix("http://").removesuffix("/").rpartition("@")
    try:
        port = urlsplit(f"//{authority}").port
    except ValueError:
        port = None
    if not text.startswith("http://") or not is_authority(authority) or not port or (at and not credentials):
        raise ValueError(f"it cannot be read; {_RIGHT}")
    if any(char in credentials for char in "/?#@") or credentials.count(":") > 1:
        raise ValueError(f"its credentials cannot be read; {_RIGHT}")
    host = authority.rpartition(":")[0].strip("[]")
    return Proxy(host, port, _basic(credentials) if at else None)


def _basic(credentials: str) -> str:
    """RFC 7617."""
    user, _, password = credentials.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
