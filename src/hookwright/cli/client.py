"""A command's conversation with a running server: plain requests over the public API.

Only the standard library's HTTP: a command that asks one question should not load the server's dependencies.
"""

import http.client
import json
import os
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from hookwright.cli.arguments import now_ms
from hookwright.cli.console import Failed
from hookwright.config import Settings
from hookwright.errors import ConfigurationError

TOKEN_SECONDS = 60
ANSWER_SECONDS = 15.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where to find who listens everywhere


class Unreachable(Failed):
    """Nobody answers HTTP there."""


class Refused(Failed):
    """The server answered, and the answer was no."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the server answers {status}: {detail}")
        self.status = status


class Client:
    """Speaks to the server at `url` (scheme, host, port, perhaps a path before /api) with a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        try:
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ConfigurationError(f"--url {url}: right would be an address like http://127.0.0.1:8071")
        self.url, self._parts, self._token = url.rstrip("/"), parts, token

    def get(self, *path: str, **query: str | int) -> Any:
        text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return self.call("GET", *path, query=text)

    def list(self, *path: str, most: int = 5_000) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page; at most `most`."""
        query: dict[str, str | int] = {"limit": min(most, 250)}
        while most > 0:
            page = self.get(*path, **query)
            yield from page["data"][:most]
            most -= len(page["data"])
            if page["done"] or not page["data"]:
                return
            query["iterator"] = page["iterator"]

    def call(self, method: str, *path: str, body: bytes | None = None, query: str = "") -> Any:
        """The decoded answer, None if it is empty. `path` are the segments after /api/v1. Raises Unreachable, Refused."""
        target = self._parts.path.rstrip("/") + "/api/v1/" + "/".join(quote(part, safe="") for part in path)
        status, answer = self._exchange(method, f"{target}?{query}" if query else target, body)
        try:
            value = json.loads(answer) if answer else None
        except ValueError:
            raise Unreachable(f"{self.url} answers, but not as Hookwright does") from None
        if status >= 400:
            raise Refused(status, _detail(value))
        return value

    def _exchange(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self._parts.hostname), self._parts.port, timeout=ANSWER_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", "User-Agent": "hookwright-cli"}
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error) or type(error).__name__
            raise Unreachable(f"no server answers at {self.url} ({cause})") from error
        finally:
            connection.close()


def server_url(settings: Settings) -> str:
    """Where a server with these settings is reached from this machine."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def sign_token(secret: str, organization: str) -> str:
    """A token of the organization for one command: it ends after `TOKEN_SECONDS`."""
    import jwt  # only who talks to a server pays for it

    now = now_ms()
    claims = {"sub": organization, "iat": now / 1000, "exp": now // 1000 + TOKEN_SECONDS, "jti": f"cli_{secrets.token_hex(8)}"}
    return jwt.encode(claims, secret, algorithm="HS256")


def _detail(value: Any) -> str:
    detail = value.get("detail") if isinstance(value, dict) else value
    if isinstance(detail, list):
        return "; ".join(f"{'.'.join(map(str, item['loc'][1:])) or 'body'}: {item['msg']}" for item in detail)
    return str(detail)
