"""Attempts: what was sent where, and what came back."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
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
from hookwright.store.messages import Destination, ListDestinations

router = APIRouter(tags=["Message Attempt"], responses=documented())
AttemptId = Annotated[str, Path(description="The attempt's id", examples=["atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"])]
Attempts = Annotated[PageRequest, paged("atmpt")]
EndpointRef = Annotated[
    str | None, Query(min_length=1, max_length=MAX_NAME, pattern=UID_PATTERN, description="Only attempts at this endpoint (id or uid)")
]


async def _list(services: Services, query: ListAttempts, shown: bool) -> Response:
    return list_response(await services.store.read(query), lambda attempt: show_attempt(attempt, shown))


@router.get(
    "/app/{app_id}/attempt/endpoint/{endpoint_id}",
    operation_id="v1.message-attempt.list-by-endpoint",
    summary="List Attempts By Endpoint",
    response_model=ListResponse[MessageAttemptOut],
)
async def list_by_endpoint(
    request: Request,
    caller: Annotated[Caller, App("message:read")],
    endpoint_id: EndpointId,
    page: Attempts,
    filter: Filter,
    status: StatusFilter = None,
    status_code_class: StatusClassFilter = None,
    with_content: WithContent = None,
) -> Response:
    """Newest first; also of an endpoint that was deleted, by its id."""
    services, application = services_of(request), caller.application.id
    shown = wants_content(caller.principal, with_content)
    endpoint = await endpoint_for(services, application, endpoint_id, deleted=True)
    query = ListAttempts(
        application=application, endpoint=endpoint.id, page=page, filter=filter, state=status, status_class=status_code_class
    )
    return await _list(services, query, shown)


@router.get(
    "/app/{app_id}/attempt/msg/{msg_id}",
    operation_id="v1.message-attempt.list-by-msg",
    summary="List Attempts By Msg",
    response_model=ListResponse[MessageAttemptOut],
)
@router.get(PATH + "/attempt", include_in_schema=False)
@router.get(PATH + "/endpoint/{endpoint_id}/attempt", include_in_schema=False)
async def list_by_message(
    request: Request,
    caller: Annotated[Caller, App("message:read")],
    msg_id: MessageId,
    page: Attempts,
    filter: Filter,
    endpoint_id: EndpointRef = None,
    status: StatusFilter = None,
    status_code_class: StatusClassFilter = None,
    with_content: WithContent = None,
) -> Response:
    """Newest first."""
    services, application = services_of(request), caller.application.id
    shown = wants_content(caller.principal, with_content)
    message = await message_for(services, application, msg_id)
    ref = request.path_params.get("endpoint_id", endpoint_id)
    endpoint = None if ref is None else (await endpoint_for(services, application, ref, deleted=True)).id
    query = ListAttempts(
        application=application,
        endpoint=endpoint,
        message=message.id,
        page=page,
        filter=filter,
        state=status,
        status_class=status_code_class,
    )
    return await _list(services, query, shown)


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
