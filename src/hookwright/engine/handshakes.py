"""Asking a receiver whether it wants messages at all (see `domain.verification`), once, when somebody says so.

Duty: it tells what happened without becoming a port scanner: whether an address is blocked, closed or silent is one answer. It
goes out as a delivery does, by the same sender and guard, with what the endpoint asks for. There are never many of them at a
time, so that they cannot keep deliveries from being sent, or those of one organization those of others.
"""

import asyncio
import base64
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from hookwright.clock import Clock
from hookwright.domain.access import merged
from hookwright.domain.verification import REQUEST_ORIGIN, Consent, challenge_body, challenge_url, granted, is_echo
from hookwright.engine.access import Admission
from hookwright.engine.directory import Target
from hookwright.errors import Conflict
from hookwright.sender import Failure, Request, Response
from hookwright.signing import signatures
from hookwright.signing.signatures import HeaderStyle

MOST, MOST_EACH = 16, 4
"""At a time: in all, and of one organization."""
MOST_BYTES = 4_096
SECONDS = 10.0
CHALLENGE_BYTES = 24
SAYING = frozenset({"tls", "protocol"})
"""Faults of which is told what they were: somebody answered, who may be reached."""


class Outcome(msgspec.Struct, frozen=True):
    """`consent` if the receiver said yes; `status` of its answer, if there was one; `detail` is one line for a person."""

    consent: Consent | None
    status: int | None
    detail: str


class Handshakes:
    """`origin`: the name by which we ask (None: there is none, and `options` cannot be asked)."""

    def __init__(
        self, *, admission: Admission, clock: Clock, origin: str | None, style: HeaderStyle,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:  # fmt: skip
        self._admission, self._clock, self._style, self._entropy = admission, clock, style, entropy
        self.origin = origin
        self._places = asyncio.Semaphore(MOST)
        self._under_way = Counter[str]()

    async def ask(self, target: Target) -> Outcome:
        """For an endpoint that asks to be verified. Raises Conflict `busy` when its organization has `MOST_EACH` under way, or when
        others had all places for as long as one may take.
        """
        organization = target.endpoint.organization
        if self._under_way[organization] >= MOST_EACH:
            raise Conflict(f"{MOST_EACH} verifications of this organization are under way; wait until one has ended", code="busy")
        self._under_way[organization] += 1
        try:
            async with self._place():
                return await self._ask(target)
        finally:
            self._under_way[organization] -= 1
            self._under_way += Counter()  # forgets zeros

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Conflict(f"{MOST} verifications are under way, of other organizations too; ask again in a moment", code="busy") from None
        try:
            yield
        finally:
            self._places.release()

    async def _ask(self, target: Target) -> Outcome:
        if target.endpoint.options.verification == "options":
            return await self._ask_for_consent(target, self.origin or "")
        return await self._challenge(target)

    async def _ask_for_consent(self, target: Target, origin: str) -> Outcome:
        endpoint = target.endpoint
        asking: tuple[tuple[str, str], ...] = ((REQUEST_ORIGIN, origin),)
        if endpoint.throttle_rate is not None:
            asking += (("WebHook-Request-Rate", str(endpoint.throttle_rate * 60)),)
        answer = await self._send(target, Request(endpoint.url, merged(target.headers, asking), b"", SECONDS, method="OPTIONS"))
        if isinstance(answer, Failure):
            return _unanswered(answer)
        grant = granted(answer.consent, origin)
        if grant is None:
            return Outcome(None, answer.status, f"the answer does not allow {origin}: a `WebHook-Allowed-Origin: {origin}` (or `*`) would")
        consent = Consent(url=endpoint.url, asked="options", at=self._clock.now(), origin=origin, rate=grant.rate)
        return Outcome(consent, answer.status, f"the receiver allows messages from {origin}")

    async def _challenge(self, target: Target) -> Outcome:
        endpoint = target.endpoint
        challenge = base64.urlsafe_b64encode(self._entropy(CHALLENGE_BYTES)).decode("ascii")
        if endpoint.options.challenge_method == "GET":
            url = challenge_url(endpoint.url, endpoint.id, challenge)
            request = Request(url, target.headers, b"", SECONDS, method="GET")
        else:
            request = self._signed(target, challenge_body(endpoint.id, challenge))
        answer = await self._send(target, request)
        if isinstance(answer, Failure):
            return _unanswered(answer)
        if not 200 <= answer.status < 300:
            return Outcome(None, answer.status, "the answer is not a 2xx")
        if answer.truncated or not is_echo(answer.body, challenge):
            return Outcome(None, answer.status, "the answer's body is not the challenge")
        consent = Consent(url=endpoint.url, asked="challenge", at=self._clock.now())
        return Outcome(consent, answer.status, "the receiver returned the challenge")

    def _signed(self, target: Target, body: bytes) -> Request:
        """As a message is, under an id that no message has."""
        now = self._clock.now()
        ident, seconds = f"verification_{self._entropy(12).hex()}", now // 1000
        signature = signatures.sign(target.signers(now), ident, seconds, body)
        signed = signatures.headers(ident, seconds, signature, self._style)
        headers = (("Content-Type", "application/json"), *signed, *target.headers)
        return Request(target.endpoint.url, headers, body, SECONDS)

    async def _send(self, target: Target, request: Request) -> Response | Failure:
        request = msgspec.structs.replace(request, most=MOST_BYTES)
        return await self._admission.send(target.endpoint.id, target.entry, request)


def _unanswered(failure: Failure) -> Outcome:
    if failure.ours:
        return Outcome(None, None, "this server could not ask, which says nothing about the endpoint; try again later")
    return Outcome(None, None, failure.detail if failure.fault in SAYING else "no answer came from the endpoint")
