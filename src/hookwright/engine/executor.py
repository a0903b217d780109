"""One attempt: build, sign, send, classify, decide. It returns what is to be settled and writes nothing.

First, automatic and manual attempts take this one pipeline. The endpoint's current URL, headers and secrets count, not
those of the moment when the message was created.
"""

import asyncio
from collections.abc import Callable

import msgspec

from hookwright.clock import Clock
from hookwright.domain.attempts import EXPUNGED, Attempt
from hookwright.domain.decisions import DELIVERED, Decision, Delivered, GiveUp, Pause, RetryAt, decide, is_last, seconds_to_wait
from hookwright.domain.deliveries import State
from hookwright.domain.endpoints import DisabledReason, Endpoint
from hookwright.domain.formats import Event
from hookwright.domain.health import Sign, sign_of
from hookwright.domain.messages import Content
from hookwright.domain.notices import kind_of
from hookwright.domain.retries import RetryPolicy
from hookwright.engine.access import UNLEASED, Admission
from hookwright.engine.directory import Directory, Target
from hookwright.engine.jobs import Job
from hookwright.engine.shaping import POST, Outgoing, Shaper, Unsent
from hookwright.errors import EgressUnavailable
from hookwright.ids import Minter
from hookwright.sender import Failure, Request, Response, Sender
from hookwright.signing import signatures
from hookwright.signing.signatures import HeaderStyle
from hookwright.store.deliveries import Settlement

STRAINED_STATUSES = frozenset({408, 429, 503})
STRAINED_FAULTS = frozenset({"timeout", "refused", "connection"})


class AttemptPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`deadline` in seconds, for the whole of an attempt: name lookup, connect, TLS, request, answer."""

    retries: RetryPolicy = RetryPolicy()
    deadline: float = 30.0
    header_style: HeaderStyle = "standard"


class Tried(msgspec.Struct, frozen=True):
    """What is to be settled, and what it says about the endpoint: `sign` is None where nothing was sent, or the fault was ours.

    `strained`: it had no time for this attempt, or said so. `patience_until`: it asked to be left alone till then (Unix ms).
    """

    settlement: Settlement
    sign: Sign | None = None
    strained: bool = False
    patience_until: int = 0


class Executor:
    def __init__(
        self, *, directory: Directory, sender: Sender, admission: Admission, shaper: Shaper, clock: Clock, minter: Minter,
        rand: Callable[[], float], policy: AttemptPolicy,
    ) -> None:  # fmt: skip
        """`admission`, `shaper`: for endpoints that ask for more than a URL and a body; the path of all others does not wait for them."""
        self._directory, self._sender, self._clock, self._minter = directory, sender, clock, minter
        self._admission, self._shaper, self._rand, self._policy = admission, shaper, rand, policy

    async def attempt(self, job: Job, may_send: Callable[[Job, Target], bool]) -> Tried | None:
        """What to settle; None when the delivery is to be given back untried: its endpoint is disabled or deleted, or
        `may_send`, asked right before sending, says no.

        Raises StoreUnavailable, VaultError, EgressUnavailable and Busy: faults of ours, which do not count as an attempt.
        """
        if job.content is None:
            return Tried(self._without_content(job))
        endpoint = job.delivery.key.endpoint
        target = self._directory.known_target(endpoint) or await self._directory.target(endpoint)
        if target is None or target.endpoint.disabled:
            return None
        return await self._try(job, target, job.content, may_send)

    async def _try(self, job: Job, target: Target, content: Content, may_send: Callable[[Job, Target], bool]) -> Tried | None:
        started_at = sent_at = self._clock.now()
        loop = asyncio.get_running_loop()
        began = loop.time()
        retries = self._retries(target)
        outgoing: Outgoing | Unsent
        if target.shaped:
            shaped = await self._shaped(job, target, content)
            if shaped is None:
                return None
            target, outgoing = shaped
            sent_at = self._clock.now()
        else:
            outgoing = Outgoing(POST, target.endpoint.url, content, target.headers)
        if not may_send(job, target):
            return None
        if isinstance(outgoing, Unsent):
            return Tried(self._settle(job, target.endpoint, target.endpoint.url, retries, outgoing, started_at, loop.time() - began))
        last = is_last(trigger=job.delivery.trigger, attempts=job.delivery.attempts + 1, policy=retries)
        headers = self._headers(job, target, outgoing, sent_at)
        request = Request(outgoing.url, headers, outgoing.content.body, self._policy.deadline, last, outgoing.method)
        if target.entry is None or outgoing.elsewhere:
            result = await self._sender.send(request)
        else:
            result = await self._admission.send(target.endpoint.id, target.entry, request, lambda: may_send(job, target))
            if result is UNLEASED:
                return None
        settlement = self._settle(job, target.endpoint, outgoing.url, retries, result, started_at, loop.time() - began)
        return self._tried(settlement, result, outgoing)

    async def _shaped(self, job: Job, target: Target, content: Content) -> tuple[Target, Outgoing | Unsent] | None:
        """What is to be sent, and the endpoint as it is by then; None when it was changed meanwhile: what was made is not for the one
        that it is now. A neighbour's change makes us forget it, too: it is loaded again, and found to be the same.
        """
        delivery = job.delivery
        event = Event(
            id=delivery.key.message, application=delivery.application, event_type=job.event_type, channels=job.channels,
            created_at=delivery.created_at,
        )  # fmt: skip
        outgoing = await self._shaper.shape(target.endpoint, target.transformation, target.headers, event, content)
        now = await self._directory.target(target.endpoint.id)
        return None if now is None or not now.shapes_as(target) else (now, outgoing)

    def _tried(self, settlement: Settlement, result: Response | Failure, outgoing: Outgoing) -> Tried:
        """How the endpoint is counts wherever its transformation sends; but another host speaks of its own patience only."""
        if isinstance(result, Failure):
            return Tried(settlement, None if result.ours else Sign.SICK, strained=result.fault in STRAINED_FAULTS)
        sign = sign_of(result.status)
        patience = 0.0
        if sign is Sign.SICK and result.retry_after and not outgoing.elsewhere:
            asked = seconds_to_wait(result.retry_after, settlement.now) or 0.0
            patience = min(asked, self._policy.retries.longest_retry_after)
        return Tried(settlement, sign, result.status in STRAINED_STATUSES, settlement.now + round(patience * 1000) if patience else 0)

    def _headers(self, job: Job, target: Target, outgoing: Outgoing, now: int) -> tuple[tuple[str, str], ...]:
        content, message, seconds = outgoing.content, job.delivery.key.message, now // 1000
        signature = signatures.sign(target.signers(now), message, seconds, content.body)
        signed = signatures.headers(message, seconds, signature, self._policy.header_style)
        return (("Content-Type", content.content_type), *signed, *outgoing.headers)

    def _retries(self, target: Target) -> RetryPolicy:
        schedule = target.endpoint.options.retry_schedule
        return self._policy.retries if schedule is None else msgspec.structs.replace(self._policy.retries, schedule=schedule)

    def _settle(
        self, job: Job, endpoint: Endpoint, url: str, retries: RetryPolicy, result: Response | Failure | Unsent, started_at: int,
        seconds: float,
    ) -> Settlement:  # fmt: skip
        delivery, now = job.delivery, self._clock.now()
        if isinstance(result, Response):
            status, body, truncated, retry_after = result.status, result.body, result.truncated, result.retry_after
            if result.location is not None and not body:
                body = f"a redirect to {result.location}, which is not followed".encode()
        else:
            if isinstance(result, Failure) and result.fault == "proxy":
                raise EgressUnavailable(result.detail)
            status, body, truncated, retry_after = 0, result.detail.encode(), False, None
        if now >= job.content_expires_at:  # it may quote what is being removed at this time
            body, truncated = body and EXPUNGED, False
        number = delivery.attempts + 1
        decision: Decision = DELIVERED if isinstance(result, Unsent) and result.canceled else decide(
            status=status, retry_after=retry_after, trigger=delivery.trigger, attempts=number,
            policy=retries, now=now, rand=self._rand(), pauses=not 200 <= status < 300 and endpoint.pauses, elsewhere=url != endpoint.url,
        )  # fmt: skip
        attempt = Attempt(
            id=self._minter.mint("atmpt", now), key=delivery.key, application=delivery.application,
            organization=delivery.organization, trigger=delivery.trigger, number=number, url=url,
            event_type=job.event_type, channels=job.channels,
            state=State.SUCCESS if isinstance(decision, Delivered) else State.FAIL,
            response_status=status, response=body, truncated=truncated,
            started_at=started_at, duration_ms=round(seconds * 1000),
        )  # fmt: skip
        return _settlement(job, attempt, decision, endpoint.url, now)

    def _without_content(self, job: Job) -> Settlement:
        delivery = job.delivery
        return Settlement(
            key=delivery.key, fence=delivery.fence, attempt=None, state=State.CANCELED,
            created_at=delivery.created_at, now=self._clock.now(),
        )  # fmt: skip


def _settlement(job: Job, attempt: Attempt, decision: Decision, own_url: str, now: int) -> Settlement:
    disable: DisabledReason | None
    match decision:
        case Delivered():
            state, due_at, disable = State.SUCCESS, None, None
        case RetryAt():
            state, due_at, disable = State.PENDING, decision.due_at, "gone" if decision.disable else None
        case Pause():
            state, due_at, disable = State.PENDING, decision.due_at, "exhausted"
        case GiveUp():
            state, due_at, disable = State.FAIL, None, "gone" if decision.disable else None
    return Settlement(
        key=job.delivery.key, fence=job.delivery.fence, attempt=attempt, state=state, due_at=due_at, disable=disable,
        notice=kind_of(decision, attempt.trigger, attempt.number), created_at=job.delivery.created_at, now=now,
        own_url=None if attempt.url == own_url else own_url,
    )  # fmt: skip
