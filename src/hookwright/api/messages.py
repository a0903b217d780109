"""Messages: listed, looked up, and their contents removed. Creating one is in `message_create`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from hookwright.api.auth import App, Caller, OrgApp, services_of
from hookwright.api.endpoints import PATH as ENDPOINT_PATH
from hookwright.api.endpoints import EndpointId, endpoint_for
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.message_models import (
    EndpointMessageOut,
    MessageCanceledOut,
    MessageOut,
    json_response,
    list_response,
    show_endpoint_message,
    show_message,
)
from hookwright.api.message_queries import Filter, StatusFilter, WithContent, wants_content
from hookwright.api.pages import ListResponse, paged
from hookwright.domain.messages import Message
from hookwright.domain.pages import PageRequest
from hookwright.engine.services import Services
from hookwright.errors import NotFound
from hookwright.store.messages import Canceled, ExpungeContent, FindMessage, ListEndpointMessages, ListMessages

router = APIRouter(tags=["Message"], responses=documented())
PATH = "/app/{app_id}/msg/{msg_id}"
MessageId = Annotated[str, Path(description="The message's id, or the eventId that it was given", examples=["unique-message-identifier"])]
Messages = Annotated[PageRequest, paged("msg")]


async def message_for(services: Services, application: str, ref: str) -> Message:
    """The message that `ref` (id or event id) names. Raises NotFound."""
    found = await services.store.read(FindMessage(application=application, ref=ref, with_content=False))
    if found is None:
        raise NotFound
    return found.message


@router.get("/app/{app_id}/msg", operation_id="v1.message.list", summary="List Messages", response_model=ListResponse[MessageOut])
async def list_messages(
    request: Request,
    caller: Annotated[Caller, App("message:read")],
    page: Messages,
    filter: Filter,
    with_content: WithContent = None,
) -> Response:
    """Newest first."""
    shown = wants_content(caller.principal, with_content)
    query = ListMessages(application=caller.application.id, page=page, filter=filter, with_content=shown)
    return list_response(await services_of(request).store.read(query), lambda found: show_message(found, shown))


@router.get(PATH, operation_id="v1.message.get", summary="Get Message", response_model=MessageOut)
async def get(
    request: Request, caller: Annotated[Caller, App("message:read")], msg_id: MessageId, with_content: WithContent = None
) -> Response:
    shown = wants_content(caller.principal, with_content)
    found = await services_of(request).store.read(FindMessage(application=caller.application.id, ref=msg_id, with_content=shown))
    if found is None:
        raise NotFound
    return json_response(show_message(found, shown))


@router.delete(PATH + "/content", operation_id="v1.message.expunge-content", summary="Delete message payload", status_code=204)
async def expunge_content(request: Request, caller: Annotated[Caller, OrgApp("message:write")], msg_id: MessageId) -> None:
    """The payload is removed for good; the message stays. What of it was still to be sent is canceled."""
    services = services_of(request)
    message = await message_for(services, caller.application.id, msg_id)
    command = ExpungeContent(application=caller.application.id, message=message.id, now=services.clock.now())
    await services.store.write(command, on_commit=lambda _: services.dispatcher.message_expunged(message.id))


@router.post(
    PATH + "/cancel",
    operation_id="v1.message.cancel",
    summary="Cancel Message",
    response_model=MessageCanceledOut,
    openapi_extra=DOCUMENTED,
)
async def cancel(request: Request, caller: Annotated[Caller, OrgApp("message:write")], msg_id: MessageId) -> Response:
    """What waits to be sent to any endpoint is canceled, now or tried before; what is being sent at this moment goes on."""
    services = services_of(request)
    message = await message_for(services, caller.application.id, msg_id)
    now = services.clock.now()
    key = await once(request, caller.principal, now, _canceled)
    return answer(await services.changes.cancel_message(caller.application.id, message.id, now, key), _canceled)


def _canceled(result: Canceled) -> bytes:
    return Answer.pack(200, MessageCanceledOut(canceled=result.canceled, sending=result.sending))


@router.get(
    ENDPOINT_PATH + "/msg",
    operation_id="v1.message-attempt.list-attempted-messages",
    summary="List Attempted Messages",
    tags=["Message Attempt"],
    response_model=ListResponse[EndpointMessageOut],
)
async def list_attempted_messages(
    request: Request,
    caller: Annotated[Caller, App("message:read")],
    endpoint_id: EndpointId,
    page: Messages,
    filter: Filter,
    status: StatusFilter = None,
    with_content: WithContent = None,
) -> Response:
    """What went, goes or will go to one endpoint, newest first, each with its status there."""
    services, application = services_of(request), caller.application.id
    shown = wants_content(caller.principal, with_content)
    endpoint = await endpoint_for(services, application, endpoint_id, deleted=True)
    query = ListEndpointMessages(
        application=application,
        endpoint=endpoint.id,
        page=page,
        filter=filter,
        states=None if status is None else frozenset({status}),
        with_content=shown,
    )
    return list_response(await services.store.read(query), lambda one: show_endpoint_message(one, shown))
