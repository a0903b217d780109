"""Endpoints on the wire.

`filterTypes` and `rateLimit` are older names of `eventTypes` and `throttleRate`: both are read, and both are shown.
"""

from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, AliasChoices, Field

from hookwright.api.models import RATE_NAMES, UINT16, WHOLE, Input, Metadata, MetadataOrNull, Name, Output, Rate, refuse
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.applications import MAX_ENDPOINTS
from hookwright.domain.egress import Egress
from hookwright.domain.endpoints import Endpoint, Format
from hookwright.domain.names import MAX_CHANNEL, uid_problem
from hookwright.domain.retries import MOST_RETRIES, schedule_problem
from hookwright.domain.verification import ChallengeMethod, Verification

MAX_CHANNELS = 10
MAX_EVENT_TYPES = 1000
MAX_DESCRIPTION = 8192
MAX_GRACE_S = 604_800
DEFAULT_GRACE_S = 86_400


class EndpointRules(msgspec.Struct, frozen=True, kw_only=True):
    """What this installation allows. `egress`: where requests may go. `most`: endpoints per application."""

    https_only: bool = False
    egress: Egress = Egress()
    most: int = MAX_ENDPOINTS


def _not_an_id(uid: str) -> str:
    refuse(uid_problem(uid, "ep"))
    return uid


def _some(names: list[str]) -> list[str]:
    refuse(None if names else "an empty list would match nothing; leave the field out, or send null, to receive every event type")
    return names


def _channels(names: list[str]) -> list[str]:
    if not 1 <= len(names) <= MAX_CHANNELS:
        refuse(f"has {len(names)} entries; 1 to {MAX_CHANNELS} are accepted, and null (or no such field) means all channels")
    refuse(None if len(set(names)) == len(names) else "names a channel twice")
    return names


def _asking(filter: dict[str, Any] | None) -> dict[str, Any] | None:
    """An empty filter asks for nothing, as no filter does."""
    return filter or None


def _schedule(delays: list[float]) -> list[float]:
    refuse(schedule_problem(tuple(delays)))
    return delays


EVENT_TYPE_NAMES = AliasChoices("eventTypes", "filterTypes")
Channel = Annotated[Name, Field(max_length=MAX_CHANNEL)]
EventTypes = Annotated[
    list[Name], AfterValidator(_some), Field(max_length=MAX_EVENT_TYPES, json_schema_extra={"minItems": 1}, examples=[["user.signup"]])
]
Channels = Annotated[
    list[Channel], AfterValidator(_channels), Field(json_schema_extra={"minItems": 1, "maxItems": MAX_CHANNELS, "uniqueItems": True})
]
Version = Annotated[int, Field(ge=1, le=UINT16), WHOLE]
RetrySchedule = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]],
    AfterValidator(_schedule),
    Field(
        description="Seconds between the attempts of a delivery; null: as for all endpoints; an empty list: a single attempt",
        json_schema_extra={"maxItems": MOST_RETRIES},
        examples=[[5, 300, 1800]],
    ),
]
Description = Annotated[str, Field(max_length=MAX_DESCRIPTION)]
OnExhausted = Literal["pause", "skip"]
Uid = Annotated[Name, AfterValidator(_not_an_id), Field(examples=["unique-identifier"], json_schema_extra={"not": {"pattern": "^ep_"}})]
Filter = Annotated[
    dict[str, Any] | None,
    AfterValidator(_asking),
    Field(description="Which payloads the endpoint wants: see docs/filters.md", examples=[{"data": {"amount": {"$gte": 1000}}}]),
]


class EndpointUpdate(Input):
    """All of an endpoint but its secrets and headers: what is left out goes back to its default, but for its order."""

    url: str = Field("", examples=["https://example.com/webhook/"], description="Needed, but for a poller")
    description: Description = ""
    uid: Uid | None = Field(None, description="A name of your own for the endpoint")
    disabled: bool = False
    event_types: EventTypes | None = Field(None, validation_alias=EVENT_TYPE_NAMES, description="Null for every event type")
    channels: Channels | None = Field(None, description="Null for every channel")
    throttle_rate: Rate | None = Field(None, validation_alias=RATE_NAMES)
    format: Format = Field("json", description="How messages are put: see docs/formats.md")
    version: Version = 1
    metadata: MetadataOrNull = Field({})
    filter: Filter = Field(None)
    type: Literal["http", "poller"] | None = Field(
        None, description="`poller`: it is read from (see docs/polling.md) and has no url. Said when it is made; http if left out"
    )
    verification: Verification = Field(
        "none", description="What its receiver is asked before it gets messages; they are held until it said yes"
    )
    challenge_method: ChallengeMethod = Field("GET", description="How a challenge is brought")
    retry_schedule: RetrySchedule | None = None
    ordered: bool = Field(False, description="One message at a time, in the order of acceptance: one that fails holds up the others")
    on_exhausted: OnExhausted = Field(
        "pause", description="What an ordered endpoint does with a message that cannot be delivered: it is disabled, or goes on without it"
    )


class EndpointIn(EndpointUpdate):
    secret: str | None = Field(
        None, description="`whsec_` (or nothing) and base64 of 24 to 75 bytes, or `whsk_...`; made for you if left out"
    )
    headers: dict[str, str] | None = Field(None, description="Sent with every request to this endpoint")


class EndpointPatch(Input):
    """What is absent stays; null takes the uid, the rate, the event types, the channels, the filter or the schedule away."""

    url: str = ""
    description: Description = ""
    uid: Uid | None = None
    disabled: bool = False
    event_types: EventTypes | None = Field(None, validation_alias=EVENT_TYPE_NAMES)
    channels: Channels | None = None
    throttle_rate: Rate | None = Field(None, validation_alias=RATE_NAMES)
    format: Format = "json"
    version: Version = 1
    metadata: Metadata = Field({})
    filter: Filter = None
    verification: Verification = "none"
    challenge_method: ChallengeMethod = "GET"
    retry_schedule: RetrySchedule | None = None
    ordered: bool = False
    on_exhausted: OnExhausted = "pause"


class Target(Output):
    """What is shown of an endpoint wherever it is shown; of settings that few have, those that differ from the default."""

    id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    url: str
    description: str
    uid: str | None
    disabled: bool
    event_types: list[str] | None
    filter_types: list[str] | None = Field(deprecated=True, description="The older name of eventTypes")
    channels: list[str] | None
    throttle_rate: int | None
    rate_limit: int | None = Field(deprecated=True, description="The older name of throttleRate")
    format: Format = Field("json", exclude_if=lambda form: form == "json")
    retry_schedule: list[float] | None = Field(None, exclude_if=lambda schedule: schedule is None, description="Shown where there is one")
    version: int
    type: Literal["http", "poller"] = Field("http", exclude_if=lambda kind: kind == "http", description="Shown of a poller")
    filter: dict[str, Any] | None = Field(None, exclude_if=lambda filter: filter is None, description="Shown where there is one")
    created_at: TimeText
    updated_at: TimeText


class EndpointOut(Target):
    """`verification`, `challengeMethod`, `verified`: of endpoints that ask for one. `ordered`, `onExhausted`: of those that are."""

    metadata: dict[str, str]
    verification: Verification = Field("none", exclude_if=lambda asked: asked == "none")
    challenge_method: ChallengeMethod | None = Field(None, exclude_if=lambda method: method is None)
    verified: bool | None = Field(None, exclude_if=lambda verified: verified is None)
    ordered: bool = Field(False, exclude_if=lambda ordered: not ordered)
    on_exhausted: OnExhausted | None = Field(None, exclude_if=lambda policy: policy is None)


class MessageEndpointOut(Target):
    """An endpoint that a message goes to, and the message's status there (see EndpointMessageOut)."""

    status: int
    status_text: str
    next_attempt: TimeText | None


class EndpointHeadersIn(Input):
    """All headers: what is not there is removed."""

    headers: dict[str, str]


class EndpointHeadersPatchIn(Input):
    """A header that is null, or named in `deleteHeaders`, is removed; the others are set."""

    headers: dict[str, str | None] = Field({})
    delete_headers: list[str] | None = None


class EndpointHeadersOut(Output):
    """`sensitive`: headers whose values are never shown."""

    headers: dict[str, str]
    sensitive: list[str]


class EndpointSecretOut(Output):
    key: str = Field(description="What receivers verify with: `whsec_...`, or an Ed25519 public key, `whpk_...`")


class EndpointSecretRotateIn(Input):
    key: str | None = Field(None, description="The new secret; made for you if left out")
    grace_period_seconds: Annotated[int, Field(ge=0, le=MAX_GRACE_S), WHOLE] | None = Field(
        DEFAULT_GRACE_S, description="How long the one before it goes on signing"
    )


class EndpointStatsOut(Output):
    """Messages by their status at the endpoint."""

    success: int
    pending: int
    sending: int
    fail: int
    canceled: int


class EventExampleIn(Input):
    event_type: Name
    example_index: Annotated[int, Field(ge=0), WHOLE] | None = Field(
        None, description="Which of the schema's examples; the first if left out"
    )


def show(endpoint: Endpoint) -> EndpointOut:
    shown = EndpointOut(**show_target(endpoint), metadata=endpoint.metadata)
    if endpoint.options.verification != "none":
        shown.verification, shown.verified = endpoint.options.verification, endpoint.verified
        shown.challenge_method = endpoint.options.challenge_method if endpoint.options.verification == "challenge" else None
    if endpoint.options.ordered:
        shown.ordered, shown.on_exhausted = True, endpoint.options.on_exhausted
    return shown


def show_target(endpoint: Endpoint) -> dict[str, Any]:
    """The fields of a `Target`."""
    event_types = None if endpoint.event_types is None else sorted(endpoint.event_types)
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "uid": endpoint.uid,
        "disabled": endpoint.disabled,
        "event_types": event_types,
        "filter_types": event_types,
        "channels": None if endpoint.channels is None else sorted(endpoint.channels),
        "throttle_rate": endpoint.throttle_rate,
        "rate_limit": endpoint.throttle_rate,
        "format": endpoint.options.format,
        "retry_schedule": endpoint.options.retry_schedule,
        "version": endpoint.version,
        "type": endpoint.kind,
        "filter": endpoint.options.filter,
        "created_at": rfc3339(endpoint.created_at),
        "updated_at": rfc3339(endpoint.updated_at),
    }
