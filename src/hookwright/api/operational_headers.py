"""The headers that an organization adds to what is sent to an operational endpoint."""

from typing import Annotated, Any

from fastapi import APIRouter, Request

from hookwright.api.auth import Caller, services_of
from hookwright.api.endpoint_headers import change_headers, record_for, show_headers
from hookwright.api.endpoint_models import EndpointHeadersIn, EndpointHeadersOut
from hookwright.api.endpoints import EndpointId
from hookwright.api.errors import documented
from hookwright.api.operational_endpoints import PATH, Operational

router = APIRouter(tags=["Operational Webhook Endpoint"], responses=documented())
_PATH = PATH + "/headers"


@router.get(
    _PATH,
    operation_id="v1.operational-webhook.endpoint.get-headers",
    summary="Get Operational Webhook Endpoint Headers",
    response_model=EndpointHeadersOut,
)
async def get(request: Request, caller: Annotated[Caller, Operational("endpoint:read")], endpoint_id: EndpointId) -> Any:
    services = services_of(request)
    return show_headers(services, await record_for(services, caller.application.id, endpoint_id))


@router.put(
    _PATH,
    operation_id="v1.operational-webhook.endpoint.update-headers",
    summary="Update Operational Webhook Endpoint Headers",
    status_code=204,
)
async def update(
    request: Request, caller: Annotated[Caller, Operational("endpoint:write")], endpoint_id: EndpointId, body: EndpointHeadersIn
) -> None:
    await change_headers(services_of(request), caller.application.id, endpoint_id, lambda _: body.headers)
