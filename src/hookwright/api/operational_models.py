"""Operational endpoints on the wire: endpoints without what is for customers' messages, channels and versions."""

from pydantic import Field

from hookwright.api.endpoint_models import EVENT_TYPE_NAMES, Description, EventTypes, Uid
from hookwright.api.models import RATE_NAMES, Input, MetadataOrNull, Output, Rate
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.endpoints import Endpoint


class OperationalWebhookEndpointUpsertIn(Input):
    """All of it but its secret and headers: what is left out goes back to its default."""

    url: str = Field(examples=["https://example.com/operations/"])
    description: Description = ""
    uid: Uid | None = Field(None, description="A name of your own for the endpoint")
    disabled: bool = False
    event_types: EventTypes | None = Field(
        None, validation_alias=EVENT_TYPE_NAMES, description="Operational events; null for all", examples=[["endpoint.disabled"]]
    )
    throttle_rate: Rate | None = Field(None, validation_alias=RATE_NAMES)
    metadata: MetadataOrNull = Field({})


class OperationalWebhookEndpointIn(OperationalWebhookEndpointUpsertIn):
    secret: str | None = Field(
        None, description="`whsec_` (or nothing) and base64 of 24 to 75 bytes, or `whsk_...`; made for you if left out"
    )
    headers: dict[str, str] | None = Field(None, description="Sent with every request to this endpoint")


class OperationalWebhookEndpointOut(Output):
    id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    url: str
    description: str
    uid: str | None
    disabled: bool
    event_types: list[str] | None
    filter_types: list[str] | None = Field(deprecated=True, description="The older name of eventTypes")
    throttle_rate: int | None
    rate_limit: int | None = Field(deprecated=True, description="The older name of throttleRate")
    created_at: TimeText
    updated_at: TimeText
    metadata: dict[str, str]


def show(endpoint: Endpoint) -> OperationalWebhookEndpointOut:
    event_types = None if endpoint.event_types is None else sorted(endpoint.event_types)
    return OperationalWebhookEndpointOut(
        id=endpoint.id,
        url=endpoint.url,
        description=endpoint.description,
        uid=endpoint.uid,
        disabled=endpoint.disabled,
        event_types=event_types,
        filter_types=event_types,
        throttle_rate=endpoint.throttle_rate,
        rate_limit=endpoint.throttle_rate,
        created_at=rfc3339(endpoint.created_at),
        updated_at=rfc3339(endpoint.updated_at),
        metadata=endpoint.metadata,
    )
