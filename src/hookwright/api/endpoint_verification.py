"""Asking an endpoint's receiver whether it wants messages. Until it has said yes, what comes for the endpoint is held."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_access_models import VerificationOut
from hookwright.api.endpoint_headers import record_for
from hookwright.api.endpoints import PATH, EndpointId, endpoint_for
from hookwright.api.errors import documented
from hookwright.api.models import UINT16
from hookwright.api.races import until_unraced
from hookwright.domain.endpoints import Endpoint, held_until_verified
from hookwright.domain.verification import Consent
from hookwright.engine.directory import Target
from hookwright.engine.services import Services
from hookwright.errors import BadRequest
from hookwright.store.endpoints import UpdateEndpoint

router = APIRouter(tags=["Endpoint"], responses=documented())
CHANGED = "the receiver said yes, but the endpoint's URL or verification was changed meanwhile; ask again"


@router.post(PATH + "/verify", operation_id="v1.endpoint.verify", summary="Verify Endpoint", response_model=VerificationOut)
async def verify(request: Request, caller: Annotated[Caller, App("endpoint:write")], endpoint_id: EndpointId) -> Any:
    """Asks now, and waits for the answer, 10 seconds at most. What is held is sent after a yes; a no changes nothing."""
    services, application = services_of(request), caller.application.id
    record = await record_for(services, application, endpoint_id)
    _check(services, record.endpoint)
    outcome = await services.handshakes.ask(Target(record, services.secrets))
    consent = outcome.consent
    if consent is None:
        return VerificationOut(verified=False, status=outcome.status, detail=outcome.detail, allowed_rate=None)

    async def attempt() -> Endpoint:
        return await _keep(services, await endpoint_for(services, application, record.endpoint.id), consent)

    kept = await until_unraced(attempt)
    detail = outcome.detail if kept.verified else CHANGED
    return VerificationOut(verified=kept.verified, status=outcome.status, detail=detail, allowed_rate=consent.rate)


def _check(services: Services, endpoint: Endpoint) -> None:
    """Raises BadRequest."""
    if endpoint.options.verification == "none":
        raise BadRequest("this endpoint asks for no verification; set its `verification` to options or challenge", code="no_verification")
    if endpoint.options.verification == "options" and services.handshakes.origin is None:
        raise BadRequest("this installation has no name to ask by: its operator sets HOOKWRIGHT_WEBHOOK_ORIGIN", code="no_origin")


async def _keep(services: Services, current: Endpoint, consent: Consent) -> Endpoint:
    """Raises Conflict `CHANGED` when `current` is not what is stored any more."""
    rate = current.throttle_rate
    if consent.rate is not None:  # whole messages per second; that it may be less than one, `Endpoint.rate` knows
        allowed = min(UINT16, max(1, consent.rate // 60))
        rate = allowed if rate is None else min(rate, allowed)
    options = msgspec.structs.replace(current.options, consent=consent)
    new = msgspec.structs.replace(current, options=options, throttle_rate=rate, updated_at=services.clock.now())
    command = UpdateEndpoint(endpoint=held_until_verified(new), expected=current)
    return await services.changes.apply(command, application=current.application, endpoint=current.id)
