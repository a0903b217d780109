"""Every error leaves in one of two shapes, and never with an empty body.

    {"code": "not_found", "detail": "Entity not found"}                       400, 401, 403, 404, 405, 409, 413, 5xx
    {"detail": [{"loc": ["body", "url"], "msg": "...", "type": "..."}]}       422

The clients of this API parse the body of whatever is not a 2xx as JSON, so an empty or plain-text one would hide the
reason behind a decoding error. What we did not expect is logged once, here, under the id that the caller is given.
"""

import secrets
from typing import Any, cast

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookwright.errors import Busy, CallerError, Invalid, PayloadTooLarge, Problem, StoreUnavailable, Unauthenticated

_log = structlog.get_logger("hookwright.api")

MAX_PROBLEMS, MAX_PLACE, MAX_REASON = 50, 256, 4096
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
_DETAILS = {404: "There is nothing at this path", 405: "This path does not know that method"}


class HttpErrorOut(BaseModel):
    code: str
    detail: str


class ValidationErrorItem(BaseModel):
    loc: list[str]
    msg: str
    type: str


class HTTPValidationError(BaseModel):
    detail: list[ValidationErrorItem]


def documented() -> dict[int | str, dict[str, Any]]:
    """The error responses of every operation, for the `responses` of its route or router."""
    texts = {
        400: "The request cannot be carried out as it is",
        401: "No credential, or not a valid one",
        403: "The credential does not allow this",
        404: "There is no such thing, or not for this credential",
        409: "Something else is in the way, such as a uid that is taken",
        413: "The body is too large",
        500: "Our mistake; the detail carries the id under which it was logged",
        503: "Nothing was stored; try again after the seconds in Retry-After",
    }
    shapes: dict[int | str, dict[str, Any]] = {status: {"model": HttpErrorOut, "description": text} for status, text in texts.items()}
    shapes[422] = {"model": HTTPValidationError, "description": "One or more values are not acceptable"}
    return shapes


def clean(text: str) -> str:
    """Text that any encoder takes: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def error_response(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"code": code, "detail": clean(detail)}, status_code=status, headers=headers)


def too_large(most: int) -> PayloadTooLarge:
    """What is raised, or answered, for a request of more than `most` bytes."""
    return PayloadTooLarge(f"The request is larger than {most} bytes (HOOKWRIGHT_MAX_MESSAGE_BYTES)")


def shown_problems(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    """All problems, up to a number and a length: an answer does not grow with what is wrong in the request."""
    shown = problems[:MAX_PROBLEMS]
    if len(problems) > len(shown):
        shown += (Problem(("body",), f"and {len(problems) - len(shown)} more problems"),)
    return [{"loc": [clean(part[:MAX_PLACE]) for part in p.loc], "msg": clean(p.msg[:MAX_REASON]), "type": p.type} for p in shown]


def problems_response(problems: tuple[Problem, ...]) -> JSONResponse:
    return JSONResponse({"detail": shown_problems(problems)}, status_code=422)


def caller_error_response(error: CallerError) -> JSONResponse:
    """The answer to a caller's mistake; plain routes that FastAPI does not serve use it as well."""
    if isinstance(error, Invalid):
        return problems_response(error.problems)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    return error_response(error.status, error.code, error.detail, headers)


def unavailable_response(error: StoreUnavailable) -> JSONResponse:
    return error_response(503, "unavailable", f"Nothing was stored: {error}", {"Retry-After": str(error.retry_after)})


def install(app: FastAPI) -> None:
    """Give `app` its exception handlers. `Unexpected` is added beside them as a middleware."""
    app.add_exception_handler(CallerError, _caller_error)
    app.add_exception_handler(StoreUnavailable, _store_unavailable)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


async def _caller_error(_: Request, error: Exception) -> JSONResponse:
    return caller_error_response(cast(CallerError, error))


async def _store_unavailable(_: Request, error: Exception) -> JSONResponse:
    return unavailable_response(cast(StoreUnavailable, error))


async def _busy(_: Request, error: Exception) -> JSONResponse:
    headers = {"Retry-After": str(cast(Busy, error).retry_after)}
    return error_response(503, "unavailable", f"Nothing was done: {error}", headers)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    return problems_response(tuple(_problem(item) for item in cast(RequestValidationError, error).errors()))


def _problem(item: dict[str, Any]) -> Problem:
    if item["type"] == "json_invalid":
        reason = item.get("ctx", {}).get("error", "not JSON")
        return Problem(("body",), f"The body is not JSON: {reason} (at character {item['loc'][-1]})", "value_error.jsondecode")
    loc = tuple(str(part) for part in item["loc"])
    if item["type"] == "missing" and loc == ("body",):
        return Problem(loc, "A JSON body is required", "missing")
    return Problem(loc, item["msg"], item["type"])


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    http = cast(HTTPException, error)
    if http.status_code == 400 and http.__cause__ is not None:
        return problems_response((Problem(("body",), f"The body is not JSON: {_unreadable(http.__cause__)}", "value_error.jsondecode"),))
    headers = dict(http.headers or {})
    if http.status_code == 405:
        headers["Allow"] = ", ".join(_methods_at(request))
    code = _CODES.get(http.status_code, "generic_error")
    detail = _DETAILS.get(http.status_code, str(http.detail))
    return error_response(http.status_code, code, detail, headers)


def _unreadable(cause: BaseException) -> str:
    """What Python's parser gave up at, in our words: its own speak of Python."""
    if isinstance(cause, UnicodeDecodeError):
        return f"it is not UTF-8 (at byte {cause.start})"
    if isinstance(cause, RecursionError):
        return "it is nested too deep"
    return "it has a number with too many digits" if isinstance(cause, ValueError) else "it cannot be read"


def _methods_at(request: Request) -> list[str]:
    """Every method that the request's path knows; the router itself tells only those of the first route that fits."""
    routes: list[BaseRoute] = request.app.router.routes
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


class Unexpected:
    """The last net: what nobody expected is logged once and answered with the id of that log line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            incident = secrets.token_hex(8)
            agent = Headers(scope=scope).get("user-agent")
            _log.exception("request.failed", incident=incident, method=scope["method"], path=scope["path"], user_agent=agent)
            if not started:
                response = error_response(500, "internal_error", f"Something went wrong on our side; it was logged as {incident}")
                await response(scope, receive, send)
