"""One attempt over HTTP/1.1, by aiohttp.

Duty: whatever a receiver does, an attempt costs at most its deadline in time and `read_limit` in memory, reaches only
addresses that may be reached, happens once, and ends as a value. Rules:

1. One deadline governs waiting for a connection, DNS, connecting, TLS, sending and reading. Timeouts per read would
   let a receiver that drips a byte at a time hold us for ever.
2. Nothing is followed, decoded or remembered: no redirects, no decompression (a bomb stays small), no cookies, no
   proxies or passwords from the environment.
3. What is left of an answer after `read_limit` is not drained; the connection is closed.
4. No second try inside a try. aiohttp repeats only idempotent methods on a dropped connection, never POST; a kept
   connection that the receiver closed at the wrong moment is a Failure, and the schedule tries again.
"""

import asyncio
import functools
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from hookwright import __version__
from hookwright.domain.addresses import Network
from hookwright.sender import Failure, Fault, Request, Response
from hookwright.senders.guard import AddressBlocked, GuardedConnector, GuardedResolver
from hookwright.senders.lookups import Lookup, Lookups, LookupTimedOut, system_lookup

USER_AGENT = f"Hookwright/{__version__} (+https://github.com/hookwright/hookwright)"
MAX_RESPONSE_HEADERS = 64
MAX_RESPONSE_LINE = 8190
BLOCKED = "the address is blocked by this server's network rules"
"""The only thing said of a blocked target, whatever it is and whether it exists."""

_READ_BUFFER = 65_536
# aiohttp would send these as given: a second opinion on the body's length or on the host is request smuggling.
_FRAMING = ("Content-Length", "Transfer-Encoding", "Host", "Connection", "Expect", "Upgrade")
_NO_CONTENT_TYPE = ("Content-Type",)


class HttpSender:
    """Implements `sender.Sender`. Belongs to the event loop in which it first sends.

    `allowed_networks`: opened by the operator, besides the public internet. `connections`: how many attempts can be
    on the wire at once; one more waits, within its deadline, so keep it at or above what the engine sends at once.
    `read_limit`, `stored_limit`: bytes of an answer that are read, and that are kept. Durations are seconds: `keepalive`
    is below the 5 s after which common receivers close an unused connection, so that we rarely meet them closing.
    """

    def __init__(
        self,
        allowed_networks: Sequence[Network] = (),
        *,
        connections: int = 1000,
        read_limit: int = 65_536,
        stored_limit: int = 16_384,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = system_lookup,
        lookup_timeout: float = 5.0,
        connect_timeout: float = 10.0,
        keepalive: float = 4.0,
        max_age: float = 60.0,
    ) -> None:
        self._allowed = tuple(allowed_networks)
        self._connections = connections
        self._read_limit = read_limit
        self._stored_limit = stored_limit
        self._tls = tls or tls_context()
        self._lookup = lookup
        self._lookups: Lookups | None = None
        self._lookup_timeout = lookup_timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._max_age = max_age
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Response | Failure:
        """One attempt, done within `request.deadline` seconds. Raises nothing but CancelledError."""
        response: aiohttp.ClientResponse | None = None
        try:
            headers = _complete(request.headers)
            session = self._session or self._open()
            async with asyncio.timeout(request.deadline):
                response = await session.post(
                    _parse_url(request.url),
                    data=request.body,
                    headers=headers,
                    allow_redirects=False,
                    skip_auto_headers=None if "Content-Type" in headers else _NO_CONTENT_TYPE,
                )
                body, more = await self._read(response.content)
        except Exception as error:
            return _explain(error, request.deadline, answered=response is not None)
        finally:
            # Does nothing to a connection that went back to the pool at the end of its answer.
            if response is not None:
                response.close()
        truncated = more or len(body) > self._stored_limit
        return Response(response.status, body[: self._stored_limit], truncated, response.headers.get("Retry-After"))

    async def close(self) -> None:
        """Close what is kept alive. The sender cannot be used afterwards."""
        if self._session is not None:
            await self._session.close()
        if self._lookups is not None:
            self._lookups.close()

    def _open(self) -> aiohttp.ClientSession:
        self._lookups = Lookups(self._lookup, timeout=self._lookup_timeout)
        resolver = GuardedResolver(self._lookups, self._allowed)
        connector = GuardedConnector(
            resolver, self._allowed, self._tls, limit=self._connections, keepalive=self._keepalive, max_age=self._max_age
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            # The deadline is ours (rule 1); this one only keeps a dead address from using all of it up in silence.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout, ceil_threshold=float("inf")),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            max_line_size=MAX_RESPONSE_LINE,
            max_field_size=MAX_RESPONSE_LINE,
            max_headers=MAX_RESPONSE_HEADERS,
        )
        return self._session

    async def _read(self, content: aiohttp.StreamReader) -> tuple[bytes, bool]:
        """At most `read_limit` bytes of the body, and whether there is more."""
        if content.is_eof():
            body = content.read_nowait(self._read_limit)
            return body, not content.at_eof()
        chunks, left = [], self._read_limit
        while left and (chunk := await content.read(left)):
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks), not content.at_eof()


def tls_context() -> ssl.SSLContext:
    """Certificates are verified against the system's roots, TLS 1.2 at least; there is no switch to turn that off."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.lru_cache(maxsize=8192)
def _parse_url(text: str) -> URL:
    # Parsed as it stands: `domain.urls` has brought it into normal form, and a second opinion is a second host.
    return URL(text, encoded=True)


def _complete(headers: tuple[tuple[str, str], ...]) -> CIMultiDict[str]:
    complete = CIMultiDict(headers)
    for name in _FRAMING:
        if name in complete:
            raise ValueError(f"the header {name} is the sender's to set")
    complete["Accept-Encoding"] = "identity"
    if "User-Agent" not in complete:
        complete["User-Agent"] = USER_AGENT
    return complete


def _explain(error: Exception, deadline: float, *, answered: bool) -> Failure:
    """Each foreign exception, once, as a fault and one line. The address that a name resolved to is never in it."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    fault, detail = _classify(error, cause)
    if fault == "timeout" and not detail:
        detail = f"the answer was not complete within {deadline:g} s" if answered else f"no answer within {deadline:g} s"
    return Failure(fault, detail)


def _classify(error: Exception, cause: BaseException) -> tuple[Fault, str]:
    match error, cause:
        case _, AddressBlocked():
            return "blocked", BLOCKED
        case _, LookupTimedOut():
            return "dns", "the host name could not be resolved in time"
        case aiohttp.ClientConnectorDNSError(), _:
            return "dns", "the host name could not be resolved"
        case aiohttp.ServerTimeoutError(), _:
            return "timeout", "no connection could be made in time"
        case TimeoutError(), _:
            return "timeout", ""
        case aiohttp.ClientConnectorCertificateError(), _:
            return "tls", _certificate_detail(error.certificate_error)
        case ((aiohttp.ClientSSLError() | ssl.SSLError()), _):
            return "tls", "the TLS handshake failed"
        case aiohttp.ClientConnectorError(), ConnectionRefusedError():
            return "refused", "the connection was refused"
        case aiohttp.ClientConnectorError(), TimeoutError():
            return "timeout", "no connection could be made in time"
        case aiohttp.ClientConnectorError(), _:
            return "connection", "no connection could be made"
        case aiohttp.ClientPayloadError(), _:
            return "connection", "the connection ended before the answer was complete"
        case ((aiohttp.ClientResponseError() | HttpProcessingError()), _):
            return "protocol", "the answer is not valid HTTP, or its headers are too large"
        case aiohttp.ServerDisconnectedError(), _:
            return "connection", "the connection was closed without an answer"
        case ((aiohttp.ClientConnectionError() | OSError()), _):
            return "connection", "the connection broke"
        case ((aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError()), _):
            return "protocol", "the URL cannot be used"
        case ValueError(), _:
            return "protocol", f"the request cannot be written: {str(error).splitlines()[0][:200] if str(error) else 'bad value'}"
    return "protocol", f"the request could not be made ({type(error).__name__})"


def _certificate_detail(error: BaseException) -> str:
    reason = getattr(error, "verify_message", "") or "it cannot be verified"
    return f"the server's certificate is not accepted: {reason}"
