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
from hookwright.api.idempotency import DOCUMENTED, Answer, once, sealed
from hookwright.domain.endpoints import MAX_LIVE_SECRETS, SealedSecret
from hookwright.engine.services import Services
from hookwright.errors import Problem
from hookwright.signing.secrets import Secret, generate, generate_asymmetric, parse
from hookwright.store import Once, Remembered
from hookwright.store.endpoints import RotateSecret

router = APIRouter(tags=["Endpoint"], responses=documented())
_MAKE = {"hmac": generate, "ed25519": generate_asymmetric}


async def current_secret(services: Services, application: str, ref: str) -> tuple[str, Secret]:
    """The endpoint's id and its current secret. Raises NotFound."""
    record = await record_for(services, application, ref)
    return record.endpoint.id, parse(services.secrets.open_secret(record.endpoint.id, record.secrets[0].sealed))


def show_secret(secret: Secret) -> EndpointSecretOut:
    """Of an Ed25519 secret only the public half ever leaves."""
    return EndpointSecretOut(key=secret.text if secret.kind == "hmac" else secret.public_text)


@router.get(PATH + "/secret", operation_id="v1.endpoint.get-secret", summary="Get Endpoint Secret", response_model=EndpointSecretOut)
async def get(request: Request, caller: Annotated[Caller, App("endpoint.secret:read")], endpoint_id: EndpointId) -> Any:
    """The current one."""
    return show_secret((await current_secret(services_of(request), caller.application.id, endpoint_id))[1])


@router.post(
    PATH + "/secret/rotate",
    operation_id="v1.endpoint.rotate-secret",
    summary="Rotate Endpoint Secret",
    response_model=EndpointSecretOut,
    openapi_extra=DOCUMENTED,
)
async def rotate(
    request: Request,
    caller: Annotated[Caller, App("endpoint.secret:write")],
    endpoint_id: EndpointId,
    body: EndpointSecretRotateIn | None = None,
) -> Response:
    """The old secret goes on signing beside the new one for the grace period. A made secret is of the old one's kind.

    The answer is the new secret: clients from version 2 on read it. For a repetition of the request it is kept sealed.
    """
    services, application = services_of(request), caller.application.id
    command, secret = await rotation(services, application, endpoint_id, body)
    packed = Answer.pack(200, show_secret(secret))
    key: Once[None] | None = sealed(await once(request, caller.principal, command.now, lambda _: packed), services.secrets)
    kept: Remembered | None = await services.changes.apply(command, application=application, endpoint=command.endpoint, once=key)
    if key is None or kept is None:
        return Answer.response(packed, replayed=False)
    return Answer.response(services.secrets.open_answer(key.key, kept.answer), replayed=True)


async def rotation(services: Services, application: str, ref: str, body: EndpointSecretRotateIn | None) -> tuple[RotateSecret, Secret]:
    """What carries out the request, and the new secret. Raises Invalid, NotFound."""
    body = body or EndpointSecretRotateIn.model_validate({})
    endpoint, old = await current_secret(services, application, ref)
    secret = _chosen(body.key) if body.key is not None else parse(_MAKE[old.kind](entropy.token_bytes))
    now = services.clock.now()
    grace = DEFAULT_GRACE_S if body.grace_period_seconds is None else body.grace_period_seconds
    command = RotateSecret(
        application=application,
        endpoint=endpoint,
        secret=SealedSecret(services.secrets.seal_secret(endpoint, secret.text), now),
        old_expires_at=now + grace * 1000,
        now=now,
        most=MAX_LIVE_SECRETS,
    )
    return command, secret


def _chosen(text: str) -> Secret:
    """Raises Invalid."""
    problems: list[Problem] = []
    text = check_secret(text, "key", problems)
    refuse_all(problems)
    return parse(text)
