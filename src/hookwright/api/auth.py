"""Who may call what: the dependencies of routes, and the same rules as plain functions for routes without FastAPI.

An organization's credential (JWT or API key) reaches all of its applications, as far as its scopes go. An
application's token reaches that one only: at what belongs to the organization it is refused (403), and any other
application, its own organization's included, does not exist for it (404).
"""

from collections.abc import Iterable
from typing import Annotated, Any, cast

import msgspec
from fastapi import Depends, Path, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from hookwright.domain.applications import Application
from hookwright.domain.credentials import Principal, Scope
from hookwright.engine.credentials import Credentials
from hookwright.engine.services import Services
from hookwright.errors import BadRequest, Forbidden, NotFound, Unauthenticated

SCHEME = "HTTPBearer"
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name=SCHEME,
    description="A JWT signed with HS256, or an API key, in the header `Authorization: Bearer ...`.",
)


class Caller(msgspec.Struct, frozen=True):
    """A verified caller and the application that the path names."""

    principal: Principal
    application: Application


def services_of(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def credentials_of(request: Request) -> Credentials:
    return cast(Credentials, request.app.state.credentials)


def single(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The header of this name (in lower case), or None. Raises BadRequest when there are several.

    Neither a credential nor an idempotency key is a list (RFC 9110 section 5.3); taking one of two would mean that who
    stands between us and the caller may have judged the other.
    """
    found = [value for key, value in headers if key == name]
    if len(found) > 1:
        raise BadRequest(f"The header {name.decode().title()} is there {len(found)} times", code="duplicate_header")
    return found[0].decode("latin-1") if found else None


def bearer(authorization: str | None) -> str:
    """The token in an Authorization header (RFC 6750 section 2.1). Raises Unauthenticated."""
    if authorization is None:
        raise Unauthenticated("The header Authorization is missing; it should be: Bearer <token>")
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The header Authorization should be: Bearer <token>")
    return token


async def caller_of(services: Services, credentials: Credentials, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
    """Who sends these headers. Raises Unauthenticated, BadRequest.

    A token of an application that is gone, or that its organization never had, speaks for nobody.
    """
    principal = await credentials.verify(bearer(single(headers, b"authorization")))
    if principal.application is not None and await services.directory.application(principal.organization, principal.application) is None:
        raise Unauthenticated("The application that this token is for does not exist")
    return principal


async def authenticate(request: Request) -> Principal:
    """The caller. Raises Unauthenticated, BadRequest."""
    return await caller_of(services_of(request), credentials_of(request), request.scope["headers"])


def require(principal: Principal, scope: Scope) -> None:
    """Raises Forbidden, naming the scope that is missing."""
    if scope not in principal.scopes:
        raise Forbidden(f"This credential lacks the scope {scope}")


def require_organization(principal: Principal, scope: Scope) -> None:
    """Raises Forbidden for an application's token, and when the scope is missing."""
    if principal.application is not None:
        raise Forbidden("This needs an organization's credential; a token of an application is not enough")
    require(principal, scope)


async def application_for(services: Services, principal: Principal, ref: str) -> Application:
    """The application that `ref` (id or uid) names, if the caller may see it. Raises NotFound."""
    loaded = await services.directory.application(principal.organization, ref)
    if loaded is None or principal.application not in (None, loaded.application.id):
        raise NotFound
    return loaded.application


Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


async def authenticated(request: Request, _: Bearer) -> Principal:
    """`authenticate` as a dependency; the second argument only puts the scheme into the OpenAPI document."""
    return await authenticate(request)


Authenticated = Annotated[Principal, Depends(authenticated)]
AppId = Annotated[str, Path(description="The application's id or uid", examples=["unique-app-identifier"])]


def Reader(scope: Scope) -> Any:
    """Any caller with this scope: `principal: Annotated[Principal, Reader("event_type:read")]`."""

    async def check(principal: Authenticated) -> Principal:
        require(principal, scope)
        return principal

    return Depends(check)


def Org(scope: Scope) -> Any:
    """An organization's credential with this scope: `principal: Annotated[Principal, Org("application:read")]`."""

    async def check(principal: Authenticated) -> Principal:
        require_organization(principal, scope)
        return principal

    return Depends(check)


def App(*scopes: Scope) -> Any:
    """The caller and the application `{app_id}`, for its own token or its organization's credential.

    `caller: Annotated[Caller, App("endpoint:read")]`. Scopes are judged before the application is looked up.
    """

    async def check(request: Request, principal: Authenticated, app_id: AppId) -> Caller:
        for scope in scopes:
            require(principal, scope)
        return Caller(principal, await application_for(services_of(request), principal, app_id))

    return Depends(check)


def OrgApp(scope: Scope) -> Any:
    """As `App`, for an organization's credential only."""

    async def check(request: Request, principal: Authenticated, app_id: AppId) -> Caller:
        require_organization(principal, scope)
        return Caller(principal, await application_for(services_of(request), principal, app_id))

    return Depends(check)
