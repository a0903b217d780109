"""Tokens for an application's portal: making them, and ending them for good."""

import base64
import json
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Depends, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from hookwright.api.applications import ApplicationIn, create_on_the_fly
from hookwright.api.auth import AppId, Bearer, Caller, Org, OrgApp, application_for, authenticate, credentials_of, services_of
from hookwright.api.errors import documented
from hookwright.api.idempotency import DOCUMENTED, Answer, answer, once
from hookwright.api.models import WHOLE, Input, Names, Output, refuse
from hookwright.domain.credentials import Principal, Revocation
from hookwright.domain.tokens import DEFAULT_EXPIRY, JTI, MAX_EXPIRY, MIN_EXPIRY, Capability, portal_claims
from hookwright.domain.urls import is_authority
from hookwright.engine.credentials import MAX_TOKEN, TEN_YEARS, LoggedOut
from hookwright.errors import BadRequest, Forbidden, Invalid, NotFound
from hookwright.store import Once, Remembered
from hookwright.store.organizations import KeepAnswer

router = APIRouter(tags=["Authentication"], responses=documented())
MAX_SESSIONS = 100
DEFAULT_GRACE = 60
SessionId = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _with_base(capabilities: list[Capability]) -> list[Capability]:
    refuse(None if "ViewBase" in capabilities else "must contain ViewBase, which everything else builds on")
    return capabilities


class AppPortalAccessIn(Input):
    application: ApplicationIn | None = Field(default=None, description="Made on the fly if the path's application does not exist")
    feature_flags: Names = Field(default=[])
    read_only: bool | None = Field(default=None, description="Only looking, whatever the capabilities say")
    capabilities: Annotated[list[Capability], Field(min_length=1, max_length=20), AfterValidator(_with_base)] | None = Field(
        default=None, description="What the token may do; everything an application's token can, if absent. ViewBase is required."
    )
    expiry: Annotated[int, Field(ge=MIN_EXPIRY, le=MAX_EXPIRY), WHOLE] | None = Field(
        default=None, description="Seconds the token lives; 7 days if absent"
    )
    session_id: SessionId | None = Field(default=None, description="Names the session, so that it can be ended alone")


class AppPortalAccessOut(Output):
    url: str = Field(json_schema_extra={"format": "uri"})
    token: str


class DashboardAccessOut(AppPortalAccessOut):
    pass


class ApplicationTokenExpireIn(Input):
    expiry: Annotated[int, Field(ge=0, le=MAX_EXPIRY), WHOLE] | None = Field(
        default=None, description="Seconds until they end; 60 if absent"
    )
    session_ids: Annotated[list[SessionId], Field(max_length=MAX_SESSIONS)] | None = Field(
        default=None, description="Only the tokens of these sessions; of all if absent or empty"
    )


@router.post(
    "/auth/app-portal-access/{app_id}",
    operation_id="v1.authentication.app-portal-access",
    summary="App Portal Access",
    response_model=AppPortalAccessOut,
    openapi_extra=DOCUMENTED,
)
async def app_portal_access(
    request: Request, response: Response, principal: Annotated[Principal, Org("application:write")], app_id: AppId, body: AppPortalAccessIn
) -> Any:
    """Make a token for one application, and a link that carries it in its fragment, which browsers send to nobody.

    What an idempotency key remembers are the token's claims: signed again, they are the same token.
    """
    services = services_of(request)
    base = _portal_base(request)
    try:
        application = await application_for(services, principal, app_id)
    except NotFound:
        if body.application is None:
            raise
        await create_on_the_fly(services, principal.organization, app_id, body.application)
        application = await application_for(services, principal, app_id)
    now = services.clock.now()
    claims = portal_claims(
        organization=principal.organization,
        application=application.id,
        jti=services.minter.mint(JTI, now),
        now=now,
        expiry=DEFAULT_EXPIRY if body.expiry is None else body.expiry,
        feature_flags=body.feature_flags,
        capabilities=body.capabilities,
        read_only=bool(body.read_only),
        session_id=body.session_id,
    )
    token = credentials_of(request).sign(claims)
    if len(token) > MAX_TOKEN:
        raise Invalid.at("body", "featureFlags", msg=f"make a token of {len(token)} bytes; none above {MAX_TOKEN} is accepted")
    key: Once[None] | None = await once(request, principal, now, lambda _: json.dumps(claims).encode())
    if key is not None and isinstance(kept := await services.store.write(KeepAnswer(), once=key), Remembered):
        token = credentials_of(request).sign(json.loads(kept.answer))
        response.headers["Idempotency-Replayed"] = "true"
    return AppPortalAccessOut(url=_portal_url(base, application.id, token), token=token)


@router.post(
    "/auth/dashboard-access/{app_id}",
    operation_id="v1.authentication.dashboard-access",
    summary="Dashboard Access",
    response_model=DashboardAccessOut,
    deprecated=True,
    openapi_extra=DOCUMENTED,
)
async def dashboard_access(
    request: Request, response: Response, principal: Annotated[Principal, Org("application:write")], app_id: AppId
) -> Any:
    """The older name of `app-portal-access`, without a body: a token that may do all that an application's can."""
    return await app_portal_access(request, response, principal, app_id, AppPortalAccessIn())


def _portal_base(request: Request) -> str:
    """Where the portal is: as configured, or at this server as the caller named it. Raises BadRequest for a bad name."""
    base = cast(str | None, request.app.state.options.portal_url)
    if base is not None:
        return base
    host = request.headers.get("host", "")
    if not is_authority(host):
        raise BadRequest(f"{host[:256]!r} in the header Host is no host, so no link can lead there", code="bad_host")
    return str(request.base_url)


def _portal_url(base: str, application: str, token: str) -> str:
    key = base64.urlsafe_b64encode(json.dumps({"appId": application, "token": token}).encode()).decode()
    return f"{base.rstrip('/')}/login#key={key}"


def _no_content(_: object) -> bytes:
    return Answer.pack(204, None)


async def _leaving(request: Request, _: Bearer) -> Principal | None:
    """The caller; None for one that has logged out already."""
    try:
        return await authenticate(request)
    except LoggedOut:
        return None


@router.post(
    "/auth/logout",
    operation_id="logout_api_v1_auth_logout__post",
    summary="Logout",
    status_code=204,
    openapi_extra=DOCUMENTED,
)
async def logout(request: Request, principal: Annotated[Principal | None, Depends(_leaving)]) -> None:
    """End the presented token of an application, at once and for good; doing it twice changes nothing, whatever the
    idempotency key says. Other credentials are refused (403): a key is ended by revoking it, and an organization's JWT
    by changing the secret that signed it.
    """
    if principal is None:
        return
    if principal.application is None:
        raise Forbidden("Only an application's token can log out; revoke an API key to end it")
    now = services_of(request).clock.now()
    revocation = Revocation(
        organization=principal.organization,
        application=principal.application,
        credential=principal.credential,
        issued_until=max(now, principal.issued_at),
        effective_at=now,
        forget_at=principal.expires_at or now + TEN_YEARS,
    )
    await credentials_of(request).end((revocation,))


@router.post(
    "/auth/app/{app_id}/expire-all",
    operation_id="v1.authentication.expire-all",
    summary="Expire All",
    status_code=204,
    openapi_extra=DOCUMENTED,
)
async def expire_all(
    request: Request,
    caller: Annotated[Caller, OrgApp("application:write")],
    body: Annotated[ApplicationTokenExpireIn | None, Body()] = None,
) -> Response:
    """End every token of the application that has been made so far, or those of some sessions, after a grace period.

    Tokens that are made from now on are not concerned.
    """
    body = body or ApplicationTokenExpireIn()
    now = services_of(request).clock.now()
    grace = DEFAULT_GRACE if body.expiry is None else body.expiry
    sessions: list[str | None] = list(dict.fromkeys(body.session_ids)) if body.session_ids else [None]
    revocations = tuple(
        Revocation(
            organization=caller.principal.organization,
            application=caller.application.id,
            session_id=session,
            issued_until=now,
            effective_at=now + grace * 1000,
            forget_at=now + TEN_YEARS,  # tokens that others signed with our secret may live that long
        )
        for session in sessions
    )
    key: Once[None] | None = await once(request, caller.principal, now, _no_content)
    return answer(await credentials_of(request).end(revocations, key), _no_content)
