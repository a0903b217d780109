"""Sending by hand: one message again, or an example. Many messages are in `recoveries`."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from hookwright.api.auth import App, Caller, OrgApp, services_of
from hookwright.api.endpoint_models import EventExampleIn
from hookwright.api.endpoints import PATH as ENDPOINT_PATH
from hookwright.api.endpoints import EndpointId, receiver_for
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.message_models import EmptyResponse, MessageOut
from hookwright.api.messages import PATH as MESSAGE_PATH
from hookwright.api.messages import MessageId, message_for
from hookwright.api.timestamps import rfc3339
from hookwright.domain.deliveries import Delivery
from hookwright.domain.event_types import EventType
from hookwright.domain.messages import Content
from hookwright.engine.ingest import NewMessage
from hookwright.errors import BadRequest, Invalid, NotFound
from hookwright.store import Remembered
from hookwright.store.event_types import FindEventType
from hookwright.store.messages import Created

router = APIRouter(responses=documented())
PING = "svix.ping"
_PING_BODY = b'{"success":true}'


@router.post(
    MESSAGE_PATH + "/endpoint/{endpoint_id}/resend",
    operation_id="v1.message-attempt.resend",
    summary="Resend Webhook",
    tags=["Message Attempt"],
    response_model=EmptyResponse,
    status_code=202,
    openapi_extra=DOCUMENTED,
)
async def resend(request: Request, caller: Annotated[Caller, App("replay:write")], msg_id: MessageId, endpoint_id: EndpointId) -> Response:
    """One more attempt, whatever became of those before. It is committed when this is answered."""
    services, application = services_of(request), caller.application.id
    endpoint = await receiver_for(services, application, endpoint_id)
    message = await message_for(services, application, msg_id)
    key = await once(request, caller.principal, services.clock.now(), _resent)
    result = await services.replays.resend(application, endpoint.id, message.id, key)
    return answer(result, _resent)


def _resent(_: Delivery) -> bytes:
    return Answer.pack(202, EmptyResponse())


@router.post(
    ENDPOINT_PATH + "/send-example",
    operation_id="v1.endpoint.send-example",
    summary="Send Event Type Example Message",
    tags=["Endpoint"],
    response_model=MessageOut,
    openapi_extra=DOCUMENTED,
)
async def send_example(
    request: Request, caller: Annotated[Caller, OrgApp("message:write")], endpoint_id: EndpointId, body: EventExampleIn
) -> Response:
    """To this endpoint alone, whatever event types and channels it listens to: somebody wants to see it arrive."""
    services, application = services_of(request), caller.application
    endpoint = await receiver_for(services, application.id, endpoint_id)
    payload = _PING_BODY
    if body.event_type != PING:
        event_type = await services.store.read(FindEventType(organization=application.organization, name=body.event_type))
        payload = msgspec.json.encode(example_of(event_type, body.event_type, body.example_index or 0))
    loaded = await services.directory.application(application.organization, application.id)
    if loaded is None:
        raise NotFound
    key = await once(request, caller.principal, services.clock.now(), _sent)
    new = NewMessage(event_type=body.event_type, content=Content(payload))
    result: Created | Remembered = await services.ingest.send_to(loaded, endpoint, new, key)
    return answer(result, _sent)


def example_of(event_type: EventType | None, name: str, index: int) -> dict[str, Any]:
    """The example at `index` in the first version's schema. Raises BadRequest with the reason why there is none."""
    if event_type is None:
        raise BadRequest(f"there is no event type {name!r}", code="invalid_scheme")
    schema = (event_type.schemas or {}).get("1")
    examples = schema.get("examples") if isinstance(schema, dict) else None
    if not isinstance(examples, list) or not examples:
        reason = "has no schema" if schema is None else "has no examples in its schema"
        raise BadRequest(f"the event type {name!r} {reason} (version 1), so there is nothing to send", code="invalid_scheme")
    if index >= len(examples):
        raise Invalid.at("body", "exampleIndex", msg=f"there are {len(examples)} examples, counted from 0")
    example = examples[index]
    if not isinstance(example, dict):
        raise BadRequest(f"example {index} of the event type {name!r} is not a JSON object", code="invalid_scheme")
    return example


def _sent(created: Created) -> bytes:
    message = created.message
    shown = MessageOut(id=message.id, eventType=message.event_type, payload={}, timestamp=rfc3339(message.created_at))
    return Answer.pack(200, shown)
