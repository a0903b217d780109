"""Operational endpoints: where an organization is told what happens to its customers' endpoints and messages.

They are endpoints of an application of the organization that nobody sees, made with the first of them; so they are kept, sent to,
tried again and guarded as any others. Only the organization's own credentials get here.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hookwright.api.auth import Authenticated, Caller, Org, require_organization, services_of
from hookwright.api.endpoint_models import EndpointIn
from hookwright.api.endpoint_rules import check_target, refuse_all
from hookwright.api.endpoints import EndpointId, create_endpoint, endpoint_for, replace, rules_of, settings_of
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer
from hookwright.api.operational_models import (
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointOut,
    OperationalWebhookEndpointUpsertIn,
    show,
)
from hookwright.api.pages import ListResponse, paged, show_page
from hookwright.api.races import until_unraced
from hookwright.domain.applications import Application
from hookwright.domain.credentials import Principal, Scope
from hookwright.domain.endpoints import Endpoint
from hookwright.domain.notices import KINDS
from hookwright.domain.pages import Page, PageRequest
from hookwright.engine.services import Services
from hookwright.errors import NotFound, Problem
from hookwright.store.endpoints import DeleteEndpoint, FindEndpoint, ListEndpoints
from hookwright.store.notices import EnsureOperational, FindOperational

router = APIRouter(tags=["Operational Webhook Endpoint"], responses=documented())
ALL = "/operational-webhook/endpoint"
PATH = ALL + "/{endpoint_id}"


def Operational(scope: Scope) -> Any:
    """As `Org`: the caller, with the application that has the organization's operational endpoints. Raises NotFound if there is none."""

    async def check(request: Request, principal: Authenticated) -> Caller:
        require_organization(principal, scope)
        found = await services_of(request).store.read(FindOperational(organization=principal.organization))
        if found is None:
            raise NotFound
        return Caller(principal, found)

    return Depends(check)


async def _with_application(request: Request, principal: Principal) -> Caller:
    """Made, if there is none: without endpoints it is of no consequence."""
    services = services_of(request)
    found = await services.store.read(FindOperational(organization=principal.organization))
    if found is None:
        ident, now = services.minter.mint_timed("app", services.clock.now())
        new = Application(id=ident, organization=principal.organization, name="operational webhooks", created_at=now, updated_at=now)
        found = await services.changes.apply(EnsureOperational(application=new))
    return Caller(principal, found)


async def _check_names(_: Services, __: str, names: list[str] | None, problems: list[Problem]) -> None:
    unknown = sorted(set(names or ()) - set(KINDS))
    if unknown:
        msg = f"There are no operational events {', '.join(unknown[:10])}; there are: {', '.join(KINDS)}"
        problems.append(Problem(("body", "eventTypes"), msg))


def _pack_new(endpoint: Endpoint) -> bytes:
    return Answer.pack(201, show(endpoint))


async def _create(request: Request, principal: Principal, body: OperationalWebhookEndpointUpsertIn, *, repeatable: bool) -> Response:
    caller, new = await _with_application(request, principal), EndpointIn.model_construct(**dict(body))
    return await create_endpoint(request, caller, new, repeatable=repeatable, check_names=_check_names, pack=_pack_new)


@router.get(
    ALL,
    operation_id="v1.operational-webhook.endpoint.list",
    summary="List Operational Webhook Endpoints",
    response_model=ListResponse[OperationalWebhookEndpointOut],
)
async def list_endpoints(
    request: Request,
    principal: Annotated[Principal, Org("endpoint:read")],
    page: Annotated[PageRequest, paged("ep", "descending", ordered=True)],
) -> Any:
    store = services_of(request).store
    application = await store.read(FindOperational(organization=principal.organization))
    found: Page[Endpoint] = Page([], done=True)
    if application is not None:
        found = await store.read(ListEndpoints(application=application.id, page=page))
    return show_page(found, show)


@router.post(
    ALL,
    operation_id="v1.operational-webhook.endpoint.create",
    summary="Create Operational Webhook Endpoint",
    response_model=OperationalWebhookEndpointOut,
    status_code=201,
    openapi_extra=DOCUMENTED,
)
async def create(request: Request, principal: Annotated[Principal, Org("endpoint:write")], body: OperationalWebhookEndpointIn) -> Response:
    return await _create(request, principal, body, repeatable=True)


@router.get(
    PATH,
    operation_id="v1.operational-webhook.endpoint.get",
    summary="Get Operational Webhook Endpoint",
    response_model=OperationalWebhookEndpointOut,
)
async def get(request: Request, caller: Annotated[Caller, Operational("endpoint:read")], endpoint_id: EndpointId) -> Any:
    return show(await endpoint_for(services_of(request), caller.application.id, endpoint_id))


@router.put(
    PATH,
    operation_id="v1.operational-webhook.endpoint.update",
    summary="Update Operational Webhook Endpoint",
    response_model=OperationalWebhookEndpointOut,
    responses={201: {"model": OperationalWebhookEndpointOut, "description": "There was none, so it was created, with the uid of the body"}},
)
async def update(
    request: Request,
    principal: Annotated[Principal, Org("endpoint:write")],
    endpoint_id: EndpointId,
    body: OperationalWebhookEndpointUpsertIn,
) -> Response:
    services = services_of(request)
    application = await services.store.read(FindOperational(organization=principal.organization))
    settings: dict[str, Any] = {}

    async def attempt() -> Response:
        nonlocal settings
        query = None if application is None else FindEndpoint(application=application.id, ref=endpoint_id)
        current = None if query is None else await services.store.read(query)
        if current is None:
            return await _create(request, principal, body, repeatable=False)
        settings = settings or await _checked(request, principal, body)
        updated = await replace(services, current, body.disabled, settings)
        return answer(updated, lambda endpoint: Answer.pack(200, show(endpoint)))

    return await until_unraced(attempt)


async def _checked(request: Request, principal: Principal, body: OperationalWebhookEndpointUpsertIn) -> dict[str, Any]:
    """What the body sets. Raises Invalid."""
    problems: list[Problem] = []
    url = check_target(body.url, rules_of(request), problems)
    await _check_names(services_of(request), principal.organization, body.event_types, problems)
    refuse_all(problems)
    return settings_of(body, url, unset=True)


@router.delete(
    PATH, operation_id="v1.operational-webhook.endpoint.delete", summary="Delete Operational Webhook Endpoint", status_code=204
)  # fmt: skip
async def delete(request: Request, caller: Annotated[Caller, Operational("endpoint:write")], endpoint_id: EndpointId) -> None:
    """Its uid is free again at once; what was on its way to it is canceled."""
    services, application = services_of(request), caller.application.id
    endpoint = await endpoint_for(services, application, endpoint_id)
    command = DeleteEndpoint(application=application, ref=endpoint.id, now=services.clock.now())
    await services.changes.apply(command, application=application, endpoint=endpoint.id)
