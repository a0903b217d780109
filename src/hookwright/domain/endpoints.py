"""An endpoint is a place that wants event types: where a message's deliveries go."""

from typing import Any, Literal

import msgspec

from hookwright.domain.health import Health
from hookwright.domain.transformations import SealedTransformation
from hookwright.domain.verification import ChallengeMethod, Consent, Verification

MAX_LIVE_SECRETS = 10
"""Old secrets that may still sign beside the current one; one more rotation is refused."""

DisabledReason = Literal["manual", "gone", "failing", "exhausted", "unverified"]
Kind = Literal["http", "poller"]
Format = Literal["json", "form", "cloudevents", "cloudevents-binary"]
"""How a message is put for an endpoint (see `domain.formats`); "json": its bytes as they are."""


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few endpoints need: kept as one JSON value, in which what is at its default is left out.

    `consent`: what its receiver said to the `verification` that it asks for. `retry_schedule`: seconds between the
    attempts of a delivery; None for the one of all endpoints.
    """

    verification: Verification = "none"
    challenge_method: ChallengeMethod = "GET"
    consent: Consent | None = None

    ordered: bool = False
    """Messages arrive in the order of their commits, one at a time: the first that waits holds up the others."""
    on_exhausted: Literal["pause", "skip"] = "pause"
    """What an ordered endpoint does when the schedule of its first message is over: it is disabled, or goes on without that."""
    filter: dict[str, Any] | None = None
    """Which payloads it wants: see `filters`. None for all."""
    format: Format = "json"

    retry_schedule: tuple[float, ...] | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about an endpoint but its secrets and headers. Times are Unix ms.

    A "poller" is read from and never sent to: it has no URL. `event_types` and `channels` are None for "all".
    `disabled_reason` is None while the endpoint is enabled, "manual" when a person disabled it, "gone" when it answered 410,
    "failing" when it succeeded in nothing for days, "exhausted" when it is ordered and its first message cannot be delivered,
    "unverified" as long as its receiver has not said that it wants messages.
    """

    id: str
    application: str
    organization: str
    url: str
    kind: Kind = "http"
    uid: str | None = None
    description: str = ""
    version: int = 1
    event_types: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    throttle_rate: int | None = None
    metadata: dict[str, str] = {}
    disabled_reason: DisabledReason | None = None
    options: Options = Options()
    created_at: int
    updated_at: int

    @property
    def disabled(self) -> bool:
        return self.disabled_reason is not None

    @property
    def verified(self) -> bool:
        """Whether its receiver, at the URL that it has, said yes, or is not to be asked."""
        wanted, consent = self.options.verification, self.options.consent
        return wanted == "none" or (consent is not None and (consent.url, consent.asked) == (self.url, wanted))

    @property
    def rate(self) -> float | None:
        """Messages per second at most: its own number, or what its receiver allows if that is less."""
        if self.throttle_rate is None or self.options.consent is None or self.options.consent.rate is None:
            return self.throttle_rate
        return min(self.throttle_rate, self.options.consent.rate / 60)

    @property
    def direct(self) -> bool:
        """Whether a message may go there at once: enabled, nobody has to count, and nothing goes before it."""
        return self.disabled_reason is None and self.throttle_rate is None and not self.options.ordered

    @property
    def pauses(self) -> bool:
        """Whether it stops rather than go on without a message that cannot be delivered."""
        return self.options.ordered and self.options.on_exhausted == "pause"


def held_until_verified(endpoint: Endpoint) -> Endpoint:
    """Disabled as long as it waits for its receiver's yes, and not because of that any more when it has it."""
    reason = endpoint.disabled_reason
    if not endpoint.verified:
        return msgspec.structs.replace(endpoint, disabled_reason=reason or "unverified")
    return msgspec.structs.replace(endpoint, disabled_reason=None) if reason == "unverified" else endpoint


class SealedSecret(msgspec.Struct, frozen=True):
    """One signing secret as it lies in the store. The current one never expires; older ones sign until they do."""

    sealed: bytes
    created_at: int
    expires_at: int | None = None


class EndpointRecord(msgspec.Struct, frozen=True):
    """An endpoint with its sealed parts, as the store keeps it. Secrets: newest first. Headers, and what lets us in there
    (`sealed_access`): sealed JSON objects. `health`, and the application's rate: only as
    loaded to be sent to (`LoadEndpoint`). So is `transformation`.
    """

    endpoint: Endpoint
    secrets: tuple[SealedSecret, ...]
    sealed_headers: bytes | None = None
    sealed_access: bytes | None = None
    health: Health = Health()
    application_rate: int | None = None
    transformation: SealedTransformation | None = None


def wants(endpoint: Endpoint, event_type: str, channels: frozenset[str] | None) -> bool:
    """Whether a message of this type and these channels goes to this endpoint.

    An endpoint without channels takes all; one with channels takes only messages that share one, so a message
    without channels never reaches it. A disabled endpoint still wants its messages: they are held for it.
    """
    if endpoint.event_types is not None and event_type not in endpoint.event_types:
        return False
    if endpoint.channels is None:
        return True
    return channels is not None and not endpoint.channels.isdisjoint(channels)
