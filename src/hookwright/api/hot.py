"""A door of its own for the hot routes, before the framework's eight layers of middleware; and what these routes share.

Measured: those layers and the router took a quarter of the CPU of a delivered message. The routes are in the
application as well; a request that needs what the layers do for it (a browser's, with an Origin) takes the long way.
"""

import re
from collections.abc import Iterable
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from hookwright.api.auth import SCHEME
from hookwright.api.documents import HotRoute
from hookwright.api.errors import Unexpected, caller_error_response, documented, too_large, unavailable_response
from hookwright.api.idempotency import PARAMETER
from hookwright.errors import CallerError, StoreUnavailable


class HotDoor:
    """The outermost ASGI application: hot requests straight to their endpoint, all others to `app`."""

    def __init__(self, app: ASGIApp, hot: Iterable[HotRoute]) -> None:
        self.app = app
        self._doors = [
            (method.upper(), re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", part.path) + "/?"), Unexpected(_Answering(part.route.app)))
            for part in hot
            for method in part.operations
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for method, path, endpoint in self._doors:
                if scope["method"] == method and (found := path.fullmatch(scope["path"])) and not _from_a_browser(scope):
                    scope["path"] = scope["path"].removesuffix("/")
                    scope["path_params"] = found.groupdict()
                    await endpoint(scope, receive, send)
                    return
        await self.app(scope, receive, send)


class _Answering:
    """Answers what an endpoint raises, in the API's own shape."""

    def __init__(self, endpoint: ASGIApp) -> None:
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.endpoint(scope, receive, send)
        except CallerError as error:
            await caller_error_response(error)(scope, receive, send)
        except StoreUnavailable as error:
            await unavailable_response(error)(scope, receive, send)
        except ClientDisconnect:
            pass  # nobody is left to be answered


def _from_a_browser(scope: Scope) -> bool:
    return b"origin" in dict(scope["headers"])


async def read_body(receive: Receive, headers: dict[bytes, bytes], most: int) -> bytes:
    """The request's body, at most `most` bytes of it in memory. Raises PayloadTooLarge, ClientDisconnect."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise too_large(most)
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large(most)
        more = message.get("more_body", False)
    return b"".join(parts)


async def respond(send: Send, status: int, body: bytes, *, replayed: bool) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if replayed:
        headers.append((b"idempotency-replayed", b"true"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def operation(
    *,
    summary: str,
    description: str,
    identity: str,
    body: str,
    answers: dict[str, tuple[str, str]],
    parameters: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """A hot route's part of the document. `answers`: status -> (description, schema), besides the errors of every route."""
    shapes = {str(status): (shape["description"], shape["model"].__name__) for status, shape in documented().items()} | answers
    return {
        "tags": ["Message"],
        "summary": summary,
        "description": description,
        "operationId": identity,
        "security": [{SCHEME: []}],
        "parameters": [
            {"name": "app_id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The application's id or uid"},
            *parameters,
            PARAMETER,
        ],
        "requestBody": {"required": True, "content": _json_of(body)},
        "responses": {status: {"description": text, "content": _json_of(schema)} for status, (text, schema) in shapes.items()},
    }


def _json_of(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
