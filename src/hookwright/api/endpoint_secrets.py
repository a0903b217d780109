"""The secrets that an endpoint's requests are signed with."""

import secrets as entropy
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_headers import record_for
from hookwright.api.endpoint_models import DEFAULT_GRACE_S, EndpointSecretOut, EndpointSecretRotateIn
from hookwright.api.endpoint_rules import check_secret, refuse_all
from hookwright.api.endpoints import PATH, EndpointId
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.domain.endpoints import MAX_LIVE_SECRETS, SealedSecret
from hookwright.errors import Problem
from hookwright.signing.secrets import generate, generate_asymmetric, parse
from hookwright.store.endpoints import RotateSecret

router = APIRouter(tags=["Endpoint"], responses=documented())


@router.get(PATH + "/secret", operation_id="v1.endpoint.get-secret", summary="Get Endpoint Secret", response_model=EndpointSecretOut)
async def get(request: Request, caller: Annotated[Caller, App("endpoint.secret:read")], endpoint_id: EndpointId) -> Any:
    """The current one. Of an Ed25519 secret only the public half ever leaves."""
    services = services_of(request)
    record = await record_for(services, caller.application.id, endpoint_id)
    secret = parse(services.secrets.open_secret(record.endpoint.id, record.secrets[0].sealed))
    return EndpointSecretOut(key=secret.text if secret.kind == "hmac" else secret.public_text)


@router.post(
    PATH + "/secret/rotate",
    operation_id="v1.endpoint.rotate-secret",
    summary="Rotate Endpoint Secret",
    status_code=204,
    openapi_extra=DOCUMENTED,
)
async def rotate(
    request: Request,
    caller: Annotated[Caller, App("endpoint.secret:write")],
    endpoint_id: EndpointId,
    body: EndpointSecretRotateIn | None = None,
) -> Response:
    """The old secret goes on signing beside the new one for the grace period. A made secret is of the old one's kind."""
    services, application = services_of(request), caller.application.id
    body = body or EndpointSecretRotateIn.model_validate({})
    problems: list[Problem] = []
    record = await record_for(services, application, endpoint_id)
    endpoint = record.endpoint.id
    if body.key is not None:
        text = check_secret(body.key, "key", problems)
        refuse_all(problems)
    else:
        old = parse(services.secrets.open_secret(endpoint, record.secrets[0].sealed))
        text = (generate if old.kind == "hmac" else generate_asymmetric)(entropy.token_bytes)
    now = services.clock.now()
    grace = DEFAULT_GRACE_S if body.grace_period_seconds is None else body.grace_period_seconds
    command = RotateSecret(
        application=application,
        endpoint=endpoint,
        secret=SealedSecret(services.secrets.seal_secret(endpoint, text), now),
        old_expires_at=now + grace * 1000,
        now=now,
        most=MAX_LIVE_SECRETS,
    )
    key = await once(request, caller.principal, now, _rotated)
    result = await services.changes.apply(command, application=application, endpoint=endpoint, once=key)
    return answer(result, _rotated)


def _rotated(_: None) -> bytes:
    return Answer.pack(204, None)
