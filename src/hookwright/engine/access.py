"""Requests to endpoints that ask for more than a URL: a client certificate, a CA of their own, an OAuth2 token.

All others go to the sender directly; credentials that never change are among a target's headers.
"""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from hookwright.clock import Clock
from hookwright.domain.access import Access, ClientCredentials, merged
from hookwright.engine.tokens import Tokens
from hookwright.sender import Failure, Request, Response, Sender, TlsIdentity

LATE = Failure("timeout", "nothing was sent, because the token endpoint took all the time there was")
UNLEASED = Failure("connection", "nothing was sent, because this process is no node any more", ours=True)
"""Its delivery goes back untried."""
NOTICED = 0.05
"""Seconds: what a token costs that is in memory is less, and the deadline stays the one that all attempts have."""
UNAUTHORIZED = 401
SOON_MS = 14 * 86_400_000
"""So long before a client certificate expires it is said that it does."""
MOST_WARNED = 1_000

log = logging.getLogger(__name__)


class Entry(msgspec.Struct, frozen=True):
    """What one endpoint asks for. `expires_at`: when its client certificate does (Unix ms)."""

    credentials: ClientCredentials | None
    tls: TlsIdentity | None
    expires_at: int | None


def entry_of(access: Access) -> Entry | None:
    """None when its headers are all there is to it."""
    credentials = access.auth if isinstance(access.auth, ClientCredentials) else None
    if access.tls is None:
        return None if credentials is None else Entry(credentials, None, None)
    tls = access.tls
    return Entry(credentials, TlsIdentity(tls.certificate, tls.key, tls.ca), tls.expires_at)


class Admission:
    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender, self._clock = sender, clock
        self._tokens = Tokens(sender)
        self._warned: OrderedDict[tuple[str, int], None] = OrderedDict()

    async def send(
        self, endpoint: str, entry: Entry | None, request: Request, may_send: Callable[[], bool] = lambda: True
    ) -> Response | Failure:
        """As the sender would, within the request's deadline. A token that is not to be had is a Failure with its reason; UNLEASED if
        `may_send`, asked again when there was a token to wait for, says no.
        """
        if entry is None:
            return await self._sender.send(request)
        if entry.expires_at is not None:
            left = entry.expires_at - self._clock.now()
            if left <= 0:
                return _expired(entry.expires_at)
            if left < SOON_MS:
                self._warn(endpoint, entry.expires_at)
        request = msgspec.structs.replace(request, tls=entry.tls)
        if entry.credentials is None:
            return await self._sender.send(request)
        return await self._send_with_token(endpoint, entry.credentials, request, may_send)

    def _warn(self, endpoint: str, expires_at: int) -> None:
        """Once for each certificate, as long as it is remembered."""
        if (endpoint, expires_at) in self._warned:
            return
        self._warned[endpoint, expires_at] = None
        if len(self._warned) > MOST_WARNED:
            self._warned.popitem(last=False)
        log.warning("the client certificate of endpoint %s expires on %s: its owner has to set another", endpoint, _date(expires_at))

    async def _send_with_token(
        self, endpoint: str, credentials: ClientCredentials, request: Request, may_send: Callable[[], bool]
    ) -> Response | Failure:
        loop = asyncio.get_running_loop()
        began = loop.time()
        token = await self._tokens.token(endpoint, credentials, request.deadline)
        if isinstance(token, Failure):
            return token
        if not may_send():
            return UNLEASED
        deadline, spent = request.deadline, loop.time() - began
        if spent > NOTICED:
            deadline = math.floor((deadline - spent) * 10) / 10  # of which there are few: the sender has one timer for each
        if deadline <= 0:
            return LATE
        headers = merged(request.headers, (("Authorization", f"Bearer {token}"),))
        result = await self._sender.send(msgspec.structs.replace(request, headers=headers, deadline=deadline))
        if isinstance(result, Response):
            heard = self._tokens.refused if result.status == UNAUTHORIZED else self._tokens.taken
            heard(endpoint, credentials, token)
        return result


def _expired(at: int) -> Failure:
    return Failure("tls", f"the client certificate of this endpoint expired on {_date(at)}; set another")


def _date(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"
