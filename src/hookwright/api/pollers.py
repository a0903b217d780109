"""Polling endpoints: for receivers that cannot be called, and read."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from hookwright import ids
from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoints import endpoint_for
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.message_models import json_response, show_message
from hookwright.api.models import Input
from hookwright.api.timestamps import Time, TimeText
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.names import MAX_CHANNEL, MAX_NAME, UID_PATTERN
from hookwright.domain.pages import DEFAULT_LIMIT, MAX_LIMIT
from hookwright.engine.pollers import Polled, Wanted, beginning, consume, position_at, read, seek
from hookwright.engine.services import Services
from hookwright.errors import BadRequest, Invalid

router = APIRouter(tags=["Message"], responses=documented())
PATH = "/app/{app_id}/poller/{sink_id}"
CONSUMER = PATH + "/consumer/{consumer_id}"
SinkId = Annotated[str, Path(description="The polling endpoint's id or uid", examples=["unique-endpoint-identifier"])]
ConsumerId = Annotated[
    str, Path(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN, description="A name of your own, for one reader", examples=["backup"])
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many messages to return at most")]
Iterator = Annotated[
    str | None,
    Query(description="The `iterator` of what was read before", json_schema_extra={"pattern": "^msg_[0-9A-Z][0-9A-Za-z]{26}$"}),
]


class PollingEndpointMessageOut(BaseModel):
    """`payload` is `{"expired": true}` once it is gone; one that is no JSON object is `{"raw", "encoding", "contentType"}`."""

    id: str
    eventId: str | None = None
    eventType: str
    payload: dict[str, Any]
    channels: list[str] | None = None
    timestamp: TimeText


class PollingEndpointOut(BaseModel):
    """Oldest first. `done`: there is no more to be read now; with fewer messages than asked for, or none, there may be."""

    data: list[PollingEndpointMessageOut]
    iterator: str
    done: bool


class PollingEndpointConsumerSeekIn(Input):
    after: Time


class PollingEndpointConsumerSeekOut(BaseModel):
    iterator: str


@router.get(PATH, operation_id="v1.message.poller.poll", summary="Poll Messages", response_model=PollingEndpointOut)
async def poll(
    request: Request,
    caller: Annotated[Caller, App("message:read", "payload:read")],
    sink_id: SinkId,
    limit: Limit = DEFAULT_LIMIT,
    iterator: Iterator = None,
    event_type: Annotated[str | None, Query(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN)] = None,
    channel: Annotated[str | None, Query(min_length=1, max_length=MAX_CHANNEL, pattern=UID_PATTERN)] = None,
    after: Annotated[Time | None, Query(description="Only what was created at this time or later")] = None,
) -> Response:
    """What the endpoint wants of the application's messages, oldest first, after the iterator; from its beginning without one."""
    services = services_of(request)
    endpoint = await _poller(services, caller.application.id, sink_id)
    position = _checked(iterator) or (beginning(endpoint) if after is None else "")
    if after is not None:
        position = max(position, position_at(after))
    wanted = Wanted(position=position, limit=limit, event_type=event_type, channel=channel)
    return _shown(await read(services.store, endpoint, wanted))


@router.get(
    CONSUMER, operation_id="v1.message.poller.consumer-poll", summary="Poll Messages As Consumer", response_model=PollingEndpointOut
)
async def consumer_poll(
    request: Request,
    caller: Annotated[Caller, App("message:read", "payload:read")],
    sink_id: SinkId,
    consumer_id: ConsumerId,
    limit: Limit = DEFAULT_LIMIT,
    iterator: Iterator = None,
) -> Response:
    """What follows what this consumer has acknowledged. The iterator of an answer, sent with the next poll, acknowledges it."""
    services = services_of(request)
    endpoint = await _poller(services, caller.application.id, sink_id)
    return _shown(await consume(services.store, services.clock.now(), endpoint, consumer_id, _checked(iterator), limit))


@router.post(
    CONSUMER + "/seek",
    operation_id="v1.message.poller.consumer-seek",
    summary="Seek Consumer",
    response_model=PollingEndpointConsumerSeekOut,
    openapi_extra=DOCUMENTED,
)
async def consumer_seek(
    request: Request,
    caller: Annotated[Caller, App("replay:write")],
    sink_id: SinkId,
    consumer_id: ConsumerId,
    body: PollingEndpointConsumerSeekIn,
) -> Response:
    """The consumer goes on with what was created at this time or later, whether or not it has read it."""
    services = services_of(request)
    now = services.clock.now()
    endpoint = await _poller(services, caller.application.id, sink_id)
    key = await once(request, caller.principal, now, _sought)
    return answer(await seek(services.store, now, endpoint, consumer_id, body.after, key), _sought)


def _sought(position: str) -> bytes:
    return Answer.pack(200, PollingEndpointConsumerSeekOut(iterator=position))


async def _poller(services: Services, application: str, ref: str) -> Endpoint:
    """Raises NotFound, BadRequest: `not_a_poller`, `disabled`."""
    endpoint = await endpoint_for(services, application, ref)
    if endpoint.kind != "poller":
        raise BadRequest("this endpoint is sent to; what can be polled is made with the type poller", code="not_a_poller")
    if endpoint.disabled:
        raise BadRequest("this endpoint is disabled; when it is enabled again, reading goes on where it was", code="disabled")
    return endpoint


def _checked(iterator: str | None) -> str | None:
    """Raises Invalid."""
    if iterator is not None and not ids.is_id(iterator, "msg"):
        raise Invalid.at("query", "iterator", msg=f"{iterator[:300]!r} is no iterator of this list, which is an id that begins with msg_")
    return iterator


def _shown(polled: Polled) -> Response:
    data = [show_message(found, True) for found in polled.data]
    return json_response({"data": data, "iterator": polled.position, "done": polled.done})
