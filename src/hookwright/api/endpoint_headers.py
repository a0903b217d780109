"""The headers that a customer adds to what is sent to an endpoint. They are sealed in the store; some are never shown."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_models import EndpointHeadersIn, EndpointHeadersOut, EndpointHeadersPatchIn
from hookwright.api.endpoint_rules import refuse_all
from hookwright.api.endpoints import PATH, EndpointId
from hookwright.api.errors import documented
from hookwright.api.races import until_unraced
from hookwright.domain.endpoints import EndpointRecord
from hookwright.domain.headers import check_headers, is_sensitive
from hookwright.engine.services import Services
from hookwright.errors import NotFound
from hookwright.store.endpoints import FindEndpointRecord, SetHeaders

router = APIRouter(tags=["Endpoint"], responses=documented())
_PATH = PATH + "/headers"


async def record_for(services: Services, application: str, ref: str) -> EndpointRecord:
    """An endpoint (by id or uid) with its sealed parts. Raises NotFound."""
    record = await services.store.read(FindEndpointRecord(application=application, ref=ref))
    if record is None:
        raise NotFound
    return record


def show_headers(services: Services, record: EndpointRecord) -> EndpointHeadersOut:
    headers = services.secrets.open_headers(record.endpoint.id, record.sealed_headers)
    return EndpointHeadersOut(
        headers={name: value for name, value in headers.items() if not is_sensitive(name)},
        sensitive=sorted(name for name in headers if is_sensitive(name)),
    )


@router.get(_PATH, operation_id="v1.endpoint.get-headers", summary="Get Endpoint Headers", response_model=EndpointHeadersOut)
async def get(request: Request, caller: Annotated[Caller, App("endpoint:read")], endpoint_id: EndpointId) -> Any:
    services = services_of(request)
    return show_headers(services, await record_for(services, caller.application.id, endpoint_id))


@router.put(_PATH, operation_id="v1.endpoint.update-headers", summary="Update Endpoint Headers", status_code=204)
async def update(
    request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId, body: EndpointHeadersIn
) -> None:
    await change_headers(services_of(request), caller.application.id, endpoint_id, lambda _: body.headers)


@router.patch(_PATH, operation_id="v1.endpoint.patch-headers", summary="Patch Endpoint Headers", status_code=204)
async def patch(
    request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId, body: EndpointHeadersPatchIn
) -> None:
    """What results is judged as a whole, so that no sequence of patches ends where one request could not."""
    changes = body.headers | dict.fromkeys(body.delete_headers or ())
    await change_headers(services_of(request), caller.application.id, endpoint_id, lambda headers: patched(headers, changes))


def patched(headers: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """`headers` with these set, or removed where None; names are the same in any case (RFC 9110, 5.1)."""
    named = {name.lower() for name in changes}
    kept = {name: value for name, value in headers.items() if name.lower() not in named}
    return kept | {name: value for name, value in changes.items() if value is not None}


async def change_headers(services: Services, application: str, ref: str, compute: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Compute the new headers from those that are there, again if they change at the same moment. Raises Invalid, NotFound."""

    async def attempt() -> None:
        record = await record_for(services, application, ref)
        endpoint = record.endpoint.id
        headers = compute(services.secrets.open_headers(endpoint, record.sealed_headers))
        refuse_all(check_headers(headers))
        command = SetHeaders(
            application=application,
            endpoint=endpoint,
            sealed=services.secrets.seal_headers(endpoint, headers),
            expected=record.sealed_headers,
            now=services.clock.now(),
        )
        await services.changes.apply(command, application=application, endpoint=endpoint)

    await until_unraced(attempt)
