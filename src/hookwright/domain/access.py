"""What lets us in at an endpoint: the credentials that it asks for, and as whom we come in TLS. Pure.

Credentials that always say the same are headers. Those of OAuth2 (client credentials, RFC 6749, 4.4) are what a token is asked
for with; the header is the token's. None of these values is ever shown, not in a representation either.
"""

import base64
import re

import msgspec

from hookwright.domain.headers import MAX_VALUE_BYTES, name_problem, value_problem
from hookwright.errors import Problem

MAX_NAME, MAX_SECRET, MAX_SCOPES, MAX_SCOPE, MAX_AUDIENCE = 256, 2048, 64, 256, 1024
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_TEXT = re.compile(r"[\x20-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class _Unshown(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Basic(_Unshown, frozen=True, tag="basic"):
    """RFC 7617."""

    username: str
    password: str


class Bearer(_Unshown, frozen=True, tag="bearer"):
    """RFC 6750, with a token that does not change."""

    token: str


class ApiKey(_Unshown, frozen=True, tag="apiKey"):
    header: str
    value: str


class ClientCredentials(_Unshown, frozen=True, tag="oauth2"):
    """`in_body`: id and secret are parameters of the token request, instead of its Authorization header (RFC 6749, 2.3.1)."""

    token_url: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    in_body: bool = False


Auth = Basic | Bearer | ApiKey | ClientCredentials


class Tls(_Unshown, frozen=True):
    """PEM: a client certificate with its key, and CAs that are trusted instead of the system's."""

    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    expires_at: int | None = None
    """When the client certificate does (Unix ms)."""


class Access(_Unshown, frozen=True, omit_defaults=True):
    auth: Auth | None = None
    tls: Tls | None = None


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617, 2)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def headers_of(auth: Auth | None) -> tuple[tuple[str, str], ...]:
    """Those that are the same with every request."""
    match auth:
        case Basic():
            return (("Authorization", basic(auth.username, auth.password)),)
        case Bearer():
            return (("Authorization", f"Bearer {auth.token}"),)
        case ApiKey():
            return ((auth.header, auth.value),)
    return ()


def merged(headers: tuple[tuple[str, str], ...], stronger: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Both, without those of `headers` that `stronger` has too, in whatever case."""
    names = {name.lower() for name, _ in stronger}
    return tuple(each for each in headers if each[0].lower() not in names) + stronger


def check_auth(auth: Auth) -> list[Problem]:
    """All that is wrong with it, but for the token's URL; no problem repeats a value. Places are the names on the wire."""
    found: dict[str, str | None]
    match auth:
        case Basic():
            found = _check_basic(auth)
        case Bearer():
            found = {"token": _of_visible(auth.token, MAX_VALUE_BYTES - len("Bearer "))}
        case ApiKey():
            found = {"header": name_problem(auth.header), "value": value_problem(auth.value) or (None if auth.value else "is empty")}
        case ClientCredentials():
            found = _check_client(auth)
    kind = str(auth.__struct_config__.tag)
    return [Problem(("body", kind, field), problem) for field, problem in found.items() if problem is not None]


def _check_basic(auth: Basic) -> dict[str, str | None]:
    username = _of_words(auth.username, MAX_NAME) or (
        "holds a colon, which ends a user name in HTTP's basic authentication (RFC 7617)" if ":" in auth.username else None
    )
    return {"username": username, "password": _of_words(auth.password, MAX_SECRET)}


def _check_client(auth: ClientCredentials) -> dict[str, str | None]:
    return {
        "clientId": _of_text(auth.client_id, MAX_NAME),
        "clientSecret": _of_text(auth.client_secret, MAX_SECRET),
        "scopes": _of_scopes(auth.scopes),
        "audience": None if auth.audience is None else _of_text(auth.audience, MAX_AUDIENCE),
    }


def _of_words(text: str, most: int) -> str | None:
    """Characters of any script."""
    if len(text.encode()) > most:
        return f"is longer than {most} bytes"
    return "holds a control character" if _CONTROL.search(text) else None


def _of_text(text: str, most: int) -> str | None:
    """RFC 6749, A: VSCHAR."""
    return None if len(text) <= most and _TEXT.fullmatch(text) else f"is 1 to {most} visible ASCII characters and spaces"


def _of_visible(text: str, most: int) -> str | None:
    return None if len(text) <= most and _VISIBLE.fullmatch(text) else f"is 1 to {most} visible ASCII characters, without spaces"


def _of_scopes(scopes: tuple[str, ...]) -> str | None:
    if len(scopes) > MAX_SCOPES:
        return f"more than {MAX_SCOPES} scopes"
    if all(len(scope) <= MAX_SCOPE and _SCOPE.fullmatch(scope) for scope in scopes):
        return None
    return f"a scope is 1 to {MAX_SCOPE} visible ASCII characters, without spaces, quotes and backslashes (RFC 6749, 3.3)"
