"""Attempts: what was sent where, and what came back."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from hookwright.api.auth import App, Caller, OrgApp, services_of
from hookwright.api.endpoint_models import MessageEndpointOut, show_target
from hookwright.api.endpoints import EndpointId, endpoint_for
from hookwright.api.errors import documented
from hookwright.api.message_models import STATUS_TEXTS, MessageAttemptOut, json_response, list_response, show_attempt
from hookwright.api.message_queries import Filter, StatusClassFilter, StatusFilter, WithContent, wants_content
from hookwright.api.messages import PATH, MessageId, message_for
from hookwright.api.pages import ListResponse, paged, show_page
from hookwright.api.timestamps import rfc3339
from hookwright.domain.names import MAX_NAME, UID_PATTERN
from hookwright.domain.pages import PageRequest
from hookwright.engine.services import Services
from hookwright.errors import NotFound
from hookwright.store.attempts import ExpungeResponse, FindAttempt, ListAttempts
from hookwright.store.messages import Destination, ListDestinations, MessageFilter

router = APIRouter(tags=["Message Attempt"], responses=documented())
AttemptId = Annotated[str, Path(description="The attempt's id", examples=["atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"])]
Attempts = Annotated[PageRequest, paged("atmpt")]
EndpointRef = Annotated[
    str | None, Query(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN, description="Only attempts at this endpoint (id or uid)")
]


class Asked(msgspec.Struct, frozen=True):
    """What every list of attempts can be asked for."""

    page: PageRequest
    filter: MessageFilter
    state: int | None
    status_class: int | None
    with_content: bool | None


def _asked(
    page: Attempts,
    filter: Filter,
    status: StatusFilter = None,
    status_code_class: StatusClassFilter = None,
    with_content: WithContent = None,
) -> Asked:
    return Asked(page, filter, status, status_code_class, with_content)


Asking = Annotated[Asked, Depends(_asked)]


async def _list(services: Services, caller: Caller, asked: Asked, *, endpoint: str | None, message: str | None) -> Response:
    shown = wants_content(caller.principal, asked.with_content)
    query = ListAttempts(
        application=caller.application.id,
        endpoint=endpoint,
        message=message,
        page=asked.page,
        filter=asked.filter,
        state=asked.state,
        status_class=asked.status_class,
    )
    return list_response(await services.store.read(query), lambda attempt: show_attempt(attempt, shown))


@router.get(
    "/app/{app_id}/attempt/endpoint/{endpoint_id}",
    operation_id="v1.message-attempt.list-by-endpoint",
    summary="List Attempts By Endpoint",
    response_model=ListResponse[MessageAttemptOut],
)
async def list_by_endpoint(
    request: Request, caller: Annotated[Caller, App("message:read")], endpoint_id: EndpointId, asked: Asking
) -> Response:
    """Newest first; also of an endpoint that was deleted, by its id."""
    services = services_of(request)
    endpoint = await endpoint_for(services, caller.application.id, endpoint_id, deleted=True)
    return await _list(services, caller, asked, endpoint=endpoint.id, message=None)


@router.get(
    "/app/{app_id}/attempt/msg/{msg_id}",
    operation_id="v1.message-attempt.list-by-msg",
    summary="List Attempts By Msg",
    response_model=ListResponse[MessageAttemptOut],
)
@router.get(PATH + "/attempt", include_in_schema=False)
async def list_by_message(
    request: Request,
    caller: Annotated[Caller, App("message:read")],
    msg_id: MessageId,
    asked: Asking,
    endpoint_id: EndpointRef = None,
) -> Response:
    """Newest first."""
    services, application = services_of(request), caller.application.id
    message = await message_for(services, application, msg_id)
    endpoint = None if endpoint_id is None else (await endpoint_for(services, application, endpoint_id, deleted=True)).id
    return await _list(services, caller, asked, endpoint=endpoint, message=message.id)


@router.get(PATH + "/endpoint/{endpoint_id}/attempt", include_in_schema=False)
async def list_by_message_and_endpoint(
    request: Request, caller: Annotated[Caller, App("message:read")], msg_id: MessageId, endpoint_id: EndpointId, asked: Asking
) -> Response:
    """An older path, which some clients still use."""
    return await list_by_message(request, caller, msg_id, asked, endpoint_id)


@router.get(
    PATH + "/attempt/{attempt_id}",
    operation_id="v1.message-attempt.get",
    summary="Get Attempt",
    response_model=MessageAttemptOut,
)
async def get(request: Request, caller: Annotated[Caller, App("message:read")], msg_id: MessageId, attempt_id: AttemptId) -> Response:
    services, application = services_of(request), caller.application.id
    message = await message_for(services, application, msg_id)
    attempt = await services.store.read(FindAttempt(application=application, message=message.id, attempt=attempt_id))
    if attempt is None:
        raise NotFound
    return json_response(show_attempt(attempt, wants_content(caller.principal, None)))


@router.delete(
    PATH + "/attempt/{attempt_id}/content",
    operation_id="v1.message-attempt.expunge-content",
    summary="Delete attempt response body",
    status_code=204,
)
async def expunge_content(
    request: Request, caller: Annotated[Caller, OrgApp("message:write")], msg_id: MessageId, attempt_id: AttemptId
) -> None:
    services, application = services_of(request), caller.application.id
    message = await message_for(services, application, msg_id)
    await services.changes.apply(ExpungeResponse(application=application, message=message.id, attempt=attempt_id))


@router.get(
    PATH + "/endpoint",
    operation_id="v1.message-attempt.list-attempted-destinations",
    summary="List Attempted Destinations",
    response_model=ListResponse[MessageEndpointOut],
)
async def list_attempted_destinations(
    request: Request,
    caller: Annotated[Caller, App("message:read", "endpoint:read")],
    msg_id: MessageId,
    page: Annotated[PageRequest, paged("ep", "ascending")],
) -> Any:
    """By endpoint id; endpoints that were deleted since are still shown."""
    services, application = services_of(request), caller.application.id
    message = await message_for(services, application, msg_id)
    found = await services.store.read(ListDestinations(application=application, message=message.id, page=page))
    return show_page(found, _show_destination)


def _show_destination(destination: Destination) -> MessageEndpointOut:
    status = destination.status
    return MessageEndpointOut(
        **show_target(destination.endpoint),
        status=status.state,
        status_text=STATUS_TEXTS[status.state],
        next_attempt=None if status.next_attempt_at is None else rfc3339(status.next_attempt_at),
    )
