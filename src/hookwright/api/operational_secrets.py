"""The secrets that what is sent to an operational endpoint is signed with."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hookwright.api.auth import Caller, services_of
from hookwright.api.endpoint_models import EndpointSecretOut, EndpointSecretRotateIn
from hookwright.api.endpoint_secrets import current_secret, rotation, show_secret
from hookwright.api.endpoints import EndpointId
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.operational_endpoints import PATH, Operational
from hookwright.store import Once, Remembered

router = APIRouter(tags=["Operational Webhook Endpoint"], responses=documented())


@router.get(
    PATH + "/secret",
    operation_id="v1.operational-webhook.endpoint.get-secret",
    summary="Get Operational Webhook Endpoint Secret",
    response_model=EndpointSecretOut,
)
async def get(request: Request, caller: Annotated[Caller, Operational("endpoint.secret:read")], endpoint_id: EndpointId) -> Any:
    """The current one."""
    return show_secret((await current_secret(services_of(request), caller.application.id, endpoint_id))[1])


@router.post(
    PATH + "/secret/rotate",
    operation_id="v1.operational-webhook.endpoint.rotate-secret",
    summary="Rotate Operational Webhook Endpoint Secret",
    status_code=204,
    openapi_extra=DOCUMENTED,
)
async def rotate(
    request: Request,
    caller: Annotated[Caller, Operational("endpoint.secret:write")],
    endpoint_id: EndpointId,
    body: EndpointSecretRotateIn | None = None,
) -> Response:
    """The old secret goes on signing beside the new one for the grace period. A made secret is of the old one's kind."""
    services, application = services_of(request), caller.application.id
    command, _ = await rotation(services, application, endpoint_id, body)
    key: Once[None] | None = await once(request, caller.principal, command.now, _rotated)
    kept: Remembered | None = await services.changes.apply(command, application=application, endpoint=command.endpoint, once=key)
    return answer(kept, _rotated)


def _rotated(_: None) -> bytes:
    return Answer.pack(204, None)
