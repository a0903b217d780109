"""What an endpoint asks for beside a URL: credentials, a client certificate, a CA of its own. Sealed in the store, secrets never shown."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_access_models import AuthIn, AuthOut, OAuth2In, TlsIn, TlsOut, show_auth, show_tls
from hookwright.api.endpoint_headers import record_for
from hookwright.api.endpoint_rules import check_target, refuse_all
from hookwright.api.endpoints import PATH, EndpointId, receiver_for, rules_of
from hookwright.api.errors import documented
from hookwright.api.races import until_unraced
from hookwright.domain.access import Access, check_auth
from hookwright.domain.certificates import read_tls
from hookwright.domain.endpoints import EndpointRecord
from hookwright.engine.services import Services
from hookwright.errors import Problem
from hookwright.store.endpoints import SetAccess

router = APIRouter(tags=["Endpoint"], responses=documented())
_AUTH, _TLS = PATH + "/auth", PATH + "/tls"


@router.get(_AUTH, operation_id="v1.endpoint.get-auth", summary="Get Endpoint Auth", response_model=AuthOut)
async def get_auth(request: Request, caller: Annotated[Caller, App("endpoint:read")], endpoint_id: EndpointId) -> Any:
    """Its kind, and what of it is no secret."""
    return show_auth((await _access(services_of(request), caller.application.id, endpoint_id)).auth)


@router.put(_AUTH, operation_id="v1.endpoint.update-auth", summary="Update Endpoint Auth", status_code=204)
async def update_auth(
    request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId, body: AuthIn
) -> None:  # fmt: skip
    """In place of whatever was there. It takes the place of a custom header of the same name, too."""
    services, application, auth = services_of(request), caller.application.id, body.auth()
    endpoint = await receiver_for(services, application, endpoint_id)
    problems = check_auth(auth)
    if isinstance(body, OAuth2In):
        url = check_target(body.token_url, rules_of(request), problems, ("body", "oauth2", "tokenUrl"))
        auth = msgspec.structs.replace(auth, token_url=url)
    refuse_all(problems)
    await _change(services, application, endpoint.id, lambda access: msgspec.structs.replace(access, auth=auth))


@router.delete(_AUTH, operation_id="v1.endpoint.delete-auth", summary="Delete Endpoint Auth", status_code=204)
async def delete_auth(request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId) -> None:
    await _change(services_of(request), caller.application.id, endpoint_id, lambda access: msgspec.structs.replace(access, auth=None))


@router.get(_TLS, operation_id="v1.endpoint.get-tls", summary="Get Endpoint TLS", response_model=TlsOut)
async def get_tls(request: Request, caller: Annotated[Caller, App("endpoint:read")], endpoint_id: EndpointId) -> Any:
    """Its certificates, without keys."""
    return show_tls(await _access(services_of(request), caller.application.id, endpoint_id))


@router.put(_TLS, operation_id="v1.endpoint.update-tls", summary="Update Endpoint TLS", status_code=204)
async def update_tls(request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId, body: TlsIn) -> None:
    """In place of whatever was there."""
    services, application, problems = services_of(request), caller.application.id, list[Problem]()
    endpoint = await receiver_for(services, application, endpoint_id)
    if not endpoint.url.startswith("https:"):
        problems.append(Problem(("body",), "the endpoint's URL does not begin with https://, so that no certificate would be used"))
    tls = read_tls(body.certificate, body.key, body.ca, services.clock.now(), problems)
    refuse_all(problems)
    await _change(services, application, endpoint.id, lambda access: msgspec.structs.replace(access, tls=tls))


@router.delete(_TLS, operation_id="v1.endpoint.delete-tls", summary="Delete Endpoint TLS", status_code=204)
async def delete_tls(request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId) -> None:
    await _change(services_of(request), caller.application.id, endpoint_id, lambda access: msgspec.structs.replace(access, tls=None))


async def _access(services: Services, application: str, ref: str) -> Access:
    """Raises NotFound."""
    return _opened(services, await record_for(services, application, ref))


def _opened(services: Services, record: EndpointRecord) -> Access:
    return services.secrets.open_access(record.endpoint.id, record.sealed_access)


async def _change(services: Services, application: str, ref: str, compute: Callable[[Access], Access]) -> None:
    """Compute it from what is there, again if that changes at the same moment. Raises NotFound."""

    async def attempt() -> None:
        record = await record_for(services, application, ref)
        endpoint = record.endpoint.id
        sealed = services.secrets.seal_access(endpoint, compute(_opened(services, record)))
        command = SetAccess(
            application=application, endpoint=endpoint, sealed=sealed, expected=record.sealed_access, now=services.clock.now()
        )  # fmt: skip
        await services.changes.apply(command, application=application, endpoint=endpoint)

    await until_unraced(attempt)
