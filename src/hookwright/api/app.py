"""The application: routes, middleware and documents put together."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookwright.api import (
    api_keys,
    applications,
    attempts,
    auth,
    authentication,
    dead_letters,
    documents,
    endpoint_access,
    endpoint_filters,
    endpoint_headers,
    endpoint_secrets,
    endpoint_verification,
    endpoints,
    errors,
    event_types,
    health,
    idempotency,
    message_batch,
    message_create,
    messages,
    operational_endpoints,
    operational_headers,
    operational_secrets,
    pollers,
    recoveries,
    replays,
    tasks,
    transformations,
)
from hookwright.api.endpoint_models import EndpointRules
from hookwright.api.hot import HotDoor
from hookwright.domain.messages import MAX_NESTING
from hookwright.engine.credentials import Credentials
from hookwright.engine.services import Services
from hookwright.errors import Invalid

PREFIX = "/api/v1"
MAX_BODY = 1024 * 1024
ROUTERS: tuple[APIRouter, ...] = (
    applications.router,
    endpoints.router,
    endpoint_filters.router,
    endpoint_headers.router,
    endpoint_secrets.router,
    endpoint_access.router,
    endpoint_verification.router,
    transformations.router,
    event_types.router,
    messages.router,
    pollers.router,
    attempts.router,
    dead_letters.router,
    replays.router,
    recoveries.router,
    tasks.router,
    authentication.router,
    api_keys.router,
    operational_endpoints.router,
    operational_headers.router,
    operational_secrets.router,
    health.router,
)


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`jwt_secret`: HOOKWRIGHT_JWT_SECRET. `portal_url`: where the portal of applications is, if not at this server.

    `max_body`: the most bytes that the body of a request may have. `endpoints`: what endpoints are accepted.
    """

    jwt_secret: str
    portal_url: str | None = None
    max_body: int = MAX_BODY
    endpoints: EndpointRules = EndpointRules()


def hot_routes(services: Services, credentials: Credentials, options: ApiOptions) -> tuple[documents.HotRoute, ...]:
    """The few routes that are worth decoding and encoding by hand."""
    return (
        message_create.CreateMessageRoute(services, credentials, options.max_body).hot_route(),
        message_batch.CreateBatchRoute(services, credentials, options.max_body).hot_route(),
    )


def create_app(services: Services, options: ApiOptions) -> ASGIApp:
    """The ASGI application. It opens and closes nothing: `services` live as long as their maker wants."""
    app = FastAPI(
        title="Hookwright API",
        strict_content_type=False,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.options = options
    app.state.credentials = Credentials(services.store, services.clock, options.jwt_secret)
    services.news.subscribe(app.state.credentials.heed)
    hot = hot_routes(services, app.state.credentials, options)
    app.router.routes.extend(part.route for part in hot)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX, dependencies=[Depends(well_formed)])
    documents.install(app, hot)
    errors.install(app)
    # The last one added is the outermost.
    app.add_middleware(Frame, max_body=options.max_body)
    app.add_middleware(errors.Unexpected)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["*"], max_age=600)
    return HotDoor(app, hot)


async def well_formed(request: Request) -> None:
    """Refuse idempotency keys that are none, and bodies that Python's parser takes but JSON or a database does not.

    Lone surrogates and NaN are not JSON (RFC 8259 sections 6 and 8.2); PostgreSQL's text knows no NUL; nesting is
    bounded for whoever walks the value after us. Raises Invalid, BadRequest.
    """
    if request.method == "POST" and (key := auth.single(request.scope["headers"], idempotency.HEADER.encode())) is not None:
        idempotency.check_key(key)  # also where it has no effect: a mistake is told in the same way everywhere
    body = await request.body()
    if not body:
        return
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = "The body is not JSON (RFC 8259): it has a lone surrogate, NaN, Infinity or a number out of range, or is not UTF-8"
        raise Invalid.at("body", msg=msg, type="value_error.jsondecode") from error
    if b"\\u0000" in body and _any_text(value, lambda text: "\0" in text):
        raise Invalid.at("body", msg="The body has a NUL character in one of its texts")
    if body.count(b"[") + body.count(b"{") > MAX_NESTING and _depth(value) > MAX_NESTING:
        raise Invalid.at("body", msg=f"The body is nested more than {MAX_NESTING} deep")


def _any_text(value: object, wrong: Callable[[str], bool]) -> bool:
    if isinstance(value, str):
        return wrong(value)
    if isinstance(value, dict):
        return any(wrong(key) or _any_text(item, wrong) for key, item in value.items())
    return isinstance(value, list) and any(_any_text(item, wrong) for item in value)


def _depth(value: object) -> int:
    """How deep lists and objects lie in each other; level by level, so that no depth is too much for it."""
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [part for item in level for part in (item.values() if isinstance(item, dict) else item)]
    return depth


class Frame:
    """What is true of every request before it is routed.

    - A path is the same with and without a slash at its end; no redirect, which clients of this API do not follow.
    - A body is JSON whatever its content type says, so the content type is taken away.
    - A body has a largest size: by its declared length before it is read, and by count when no length is declared.
    """

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self.app, self.max_body = app, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/", "raw_path": (scope.get("raw_path") or b"").rstrip(b"/") or b"/"}
        declared = None
        headers = []
        for header in scope["headers"]:
            if header[0] == b"content-length":
                declared = header[1]
            if header[0] != b"content-type":
                headers.append(header)
        if len(headers) != len(scope["headers"]):
            scope = {**scope, "headers": headers}
        if declared is None:
            receive = self._counted(receive)
        elif not declared.isdigit() or int(declared[:20]) > self.max_body:
            await errors.caller_error_response(errors.too_large(self.max_body))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _counted(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_body:
                raise HTTPException(413, errors.too_large(self.max_body).detail)  # the one error that FastAPI lets through here
            return message

        return counted
