"""OAuth2 access tokens of endpoints that ask for them (client credentials, RFC 6749, 4.4). In memory only.

Duty: a token endpoint that is slow, lies or is gone costs its own endpoint's attempts and nobody else's; ours is never asked more
often than it must be. Rules:

1. One request at a time for one endpoint; whoever needs the first token meanwhile waits for its result, also if it is a failure, and no
   longer than there is time.
2. A token is used until `margin` before its end, then another is fetched; if that fails, the old one is used to its end.
3. A receiver's 401 drops the token, but one that was fetched for this reason only after `DOUBT` seconds: a receiver that refuses
   everything does not make us ask for a token before each attempt, and one that mended its ways is not kept out for a day.
4. What comes back is believed as far as it can be a token: bounded, visible characters; everything else is a failure in words that
   quote no more of it than an error code.
"""

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec

from hookwright.domain.access import ClientCredentials, basic
from hookwright.sender import Failure, Request, Response, Sender

MOST = 20_000
"""Tokens in memory; what was dropped is fetched again."""
MOST_BYTES = 32_768
"""Of an answer."""
MOST_TOKEN = 8_192
SECONDS = 10.0
"""For one token request; less if an attempt has less."""
LIFE = 300.0
"""Seconds that a token is taken to live if nothing is said of it."""
LONGEST_LIFE = 86_400.0
MARGIN, MARGIN_SHARE = 60.0, 0.1
"""Before its end, or a tenth of its life if that is less."""
PAUSE = 5.0
"""Before it is tried again to get another while the old one still serves."""
DOUBT = 300.0
"""In which a token is kept although it is refused, because the one before was refused, too."""
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ERROR = re.compile(r"[a-z_]{1,40}")

Key = tuple[str, ClientCredentials]


class _Token(msgspec.Struct, frozen=True):
    """Times are those of `elapsed`. `kept_until`: it was fetched because one was refused, and refusals say nothing till then."""

    text: str
    fresh_until: float
    ends_at: float
    kept_until: float


class Tokens:
    def __init__(self, sender: Sender, elapsed: Callable[[], float] | None = None) -> None:
        """`elapsed`: seconds; the event loop's, if nothing else is said."""
        self._sender = sender
        self._elapsed = elapsed or (lambda: asyncio.get_running_loop().time())
        self._known: OrderedDict[Key, _Token] = OrderedDict()
        self._dropped: OrderedDict[Key, bool] = OrderedDict()
        self._flights: dict[Key, asyncio.Future[str | Failure | None]] = {}

    async def token(self, endpoint: str, credentials: ClientCredentials, seconds: float) -> str | Failure:
        """A token for the endpoint (its id), within so many seconds if it has to be fetched."""
        key, until, left = (endpoint, credentials), self._elapsed() + seconds, seconds
        while left > 0:
            known = self._known.get(key)
            if known is not None and self._elapsed() < min(known.fresh_until, known.ends_at):
                self._known.move_to_end(key)
                return known.text
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, left)
            if known is not None and self._elapsed() < known.ends_at:
                return known.text  # it serves until there is another
            done, _ = await asyncio.wait((flight,), timeout=left)
            if not done:
                break
            found = flight.result()
            if found is not None:
                return found
            left = until - self._elapsed()  # whoever fetched it was cancelled
        return _unreached(_LATE)

    def refused(self, endpoint: str, credentials: ClientCredentials, token: str) -> None:
        """The receiver answered 401 to it."""
        key = endpoint, credentials
        known = self._known.get(key)
        if known is None or known.text != token or self._elapsed() < known.kept_until:
            return
        del self._known[key]
        self._dropped[key] = True
        if len(self._dropped) > MOST:
            self._dropped.popitem(last=False)

    def taken(self, endpoint: str, credentials: ClientCredentials, token: str) -> None:
        """The receiver answered something else: if it refuses this token one day, that is the first time."""
        key = endpoint, credentials
        known = self._known.get(key)
        if known is not None and known.kept_until and known.text == token:
            self._known[key] = msgspec.structs.replace(known, kept_until=0.0)

    async def _lead(self, key: Key, seconds: float) -> str | Failure:
        flight: asyncio.Future[str | Failure | None] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        found: str | Failure | None = None
        try:
            found = await self._fetch(key, min(seconds, SECONDS))
            return found
        finally:
            del self._flights[key]
            flight.set_result(found)

    async def _fetch(self, key: Key, seconds: float) -> str | Failure:
        began = self._elapsed()
        read = read_token(await self._sender.send(token_request(key[1], seconds)))
        if isinstance(read, Failure):
            old = self._known.get(key)
            if old is not None and self._elapsed() < old.ends_at:
                self._known[key] = msgspec.structs.replace(old, fresh_until=self._elapsed() + PAUSE)
                return old.text
            self._known.pop(key, None)
            return read
        text, life = read
        margin = min(MARGIN, life * MARGIN_SHARE)
        kept_until = self._elapsed() + DOUBT if self._dropped.pop(key, False) else 0.0
        self._known[key] = _Token(text, began + life - margin, began + life, kept_until)
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return text


def token_request(credentials: ClientCredentials, seconds: float) -> Request:
    fields = {"grant_type": "client_credentials"}
    if credentials.scopes:
        fields["scope"] = " ".join(credentials.scopes)
    if credentials.audience is not None:
        fields["audience"] = credentials.audience
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
    if credentials.in_body:
        fields |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    else:
        headers += (("Authorization", basic(quote_plus(credentials.client_id), quote_plus(credentials.client_secret))),)
    return Request(credentials.token_url, headers, urlencode(fields).encode(), seconds, most=MOST_BYTES)


def read_token(result: Response | Failure) -> tuple[str, float] | Failure:
    """The token and how many seconds it lives (RFC 6749, 5.1)."""
    if isinstance(result, Failure):
        return _unreached(result)
    if result.status != 200:
        return _failure(
            f"answered {result.status}{_error_in(result)}{', and redirects are not followed' if 300 <= result.status < 400 else ''}"
        )
    if result.truncated:
        return _failure(f"answered more than {MOST_BYTES} bytes")
    value = _object_in(result)
    token, kind = value.get("access_token"), value.get("token_type", "bearer")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or len(token) > MOST_TOKEN:
        return _failure("answered without an `access_token` that can be sent in a header")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return _failure("answered with a token of another type than Bearer")
    return token, _life(value.get("expires_in"))


def _life(stated: object) -> float:
    """Seconds; some servers state them as a text."""
    try:
        life = LIFE if isinstance(stated, bool) or not isinstance(stated, int | float | str) else float(stated)
    except (ValueError, OverflowError):
        life = LIFE
    return LIFE if math.isnan(life) else max(0.0, min(life, LONGEST_LIFE))


def _object_in(response: Response) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _error_in(response: Response) -> str:
    """RFC 6749, 5.2; nothing that is not such a code is repeated."""
    error = _object_in(response).get("error")
    return f" ({error})" if isinstance(error, str) and _ERROR.fullmatch(error) else ""


def _unreached(failure: Failure) -> Failure:
    """As its own words are, but whether it is blocked, refused or not there is one answer: the URL is a customer's."""
    match failure.fault:
        case "timeout":
            words = "did not answer in time"
        case "tls" | "protocol":
            words = f"gave no answer that can be used: {failure.detail}"
        case _:
            words = "could not be reached"
    return Failure(failure.fault, f"{_NO_TOKEN} {words}", failure.ours)


def _failure(words: str) -> Failure:
    return Failure("protocol", f"{_NO_TOKEN} {words}")


_LATE = Failure("timeout", "")
_NO_TOKEN = "nothing was sent, because there is no access token: the token endpoint"  # noqa: S105
