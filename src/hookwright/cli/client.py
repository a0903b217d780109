"""A command's conversation with a running server: plain requests over the public API.

Only the standard library's HTTP: a command that asks one question should not load the server's dependencies.
"""

import http.client
import json
import re
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
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
"""RFC 6750, 2.1."""
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
        """Raises ConfigurationError for what is no address or no bearer token; never shows the token."""
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and parts.path.isascii()
        except ValueError:
            usable = False
        if not usable:
            raise ConfigurationError(f"--url {url}: right would be an address like http://127.0.0.1:8071")
        if not _BEARER.fullmatch(token):
            raise ConfigurationError("--token: this is no token: one has only letters, digits and - . _ ~ + / = in it")
        self.url, self._parts, self._token = url.rstrip("/"), parts, token

    def check(self) -> None:
        """Ask something that only Hookwright answers in its way. Raises Unreachable, Refused."""
        keys = self.get("auth", "api-key")
        if keys is None or not isinstance(keys.get("data"), list):
            raise self._foreign()

    def _foreign(self) -> Unreachable:
        return Unreachable(f"{self.url} answers, but not as Hookwright does")

    def get(self, *path: str, **query: str | int) -> Any:
        text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return self.call("GET", *path, query=text)

    def list(self, *path: str, most: int = 5_000, **asked: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page; at most `most`. `asked`: parameters of its query."""
        query: dict[str, str | int] = {**asked, "limit": min(most, 250)}
        while most > 0:
            page = self.get(*path, **query)
            yield from page["data"][:most]
            most -= len(page["data"])
            if page["done"] or not page["data"]:
                return
            query["iterator"] = page["iterator"]

    def call(self, method: str, *path: str, body: bytes | None = None, query: str = "") -> Any:
        """The decoded answer, an object, or None if it is empty. `path` are the segments after /api/v1. Raises Unreachable, Refused."""
        target = self._parts.path.rstrip("/") + "/api/v1/" + "/".join(quote(part, safe="") for part in path)
        status, answer = self._exchange(method, f"{target}?{query}" if query else target, body)
        try:
            value = json.loads(answer) if answer else None
        except (ValueError, RecursionError):
            raise self._foreign() from None
        if value is not None and not isinstance(value, dict):
            raise self._foreign()
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
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # UnicodeError: a name that cannot be looked up
            cause = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
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


def _detail(value: dict[str, Any] | None) -> str:
    """In one line, also where it was not Hookwright that answered."""
    detail = value and value.get("detail")
    problems = [_problem(item) for item in detail] if isinstance(detail, list) else [str(detail or "without a reason")]
    return " ".join("; ".join(problems).split())


def _problem(item: Any) -> str:
    try:
        return f"{'.'.join(map(str, item['loc'][1:])) or 'body'}: {item['msg']}"
    except (TypeError, KeyError):
        return str(item)
