"""`POST /api/v1/app/{app_id}/msg`: the one hot route, without FastAPI's machinery around it.

The body is decoded once; the payload stays the slice of bytes that the caller sent (`msgspec.Raw`), and those bytes are
what is stored, signed, sent and shown. A plain ASGI endpoint: its errors are raised and answered like everybody's.
"""

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hookwright.api.applications import create_on_the_fly
from hookwright.api.auth import SCHEME, caller_of, require, require_organization, single
from hookwright.api.documents import HotRoute
from hookwright.api.errors import documented, too_large
from hookwright.api.idempotency import PARAMETER, once_of
from hookwright.api.message_models import NOTHING, show_content
from hookwright.api.message_new import SCHEMAS, MessageIn, decode, payload_of, read
from hookwright.api.timestamps import rfc3339
from hookwright.domain.credentials import Principal
from hookwright.engine.credentials import Credentials
from hookwright.engine.services import Services
from hookwright.errors import Invalid, NotFound
from hookwright.store import Remembered
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.messages import Created

PATH = "/api/v1/app/{app_id}/msg"
_NO = frozenset({b"false", b"0", b"no", b"off", b"f", b"n"})
_YES = frozenset({b"true", b"1", b"yes", b"on", b"t", b"y"})


class MessageOut(msgspec.Struct, rename="camel"):
    """The answer; the names on the wire are camelCase."""

    id: str
    event_id: str | None
    event_type: str
    payload: msgspec.Raw
    channels: list[str] | None
    timestamp: str


class _Kept(msgspec.Struct, array_like=True):
    """What an idempotency key remembers; the rest of the answer stands in the repeated request itself."""

    id: str
    created_at: int


_encode = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(_Kept)


class CreateMessageRoute:
    """The ASGI endpoint. `max_body`: bytes of the whole request body."""

    __name__ = "create_message"

    def __init__(self, services: Services, credentials: Credentials, max_body: int) -> None:
        self._services, self._credentials, self._max_body = services, credentials, max_body

    def hot_route(self) -> HotRoute:
        return HotRoute(Route(PATH, self, methods=["POST"]), PATH, {"post": OPERATION}, SCHEMAS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises CallerError and StoreUnavailable."""
        headers = dict(scope["headers"])
        with_content = _with_content(scope["query_string"])
        principal = await caller_of(self._services, self._credentials, scope["headers"])
        require_organization(principal, "message:write")
        body = await read_body(receive, headers, self._max_body)
        message = decode(body)
        shown = payload_of(message)
        new = read(message, shown)
        loaded = await self._application(principal, scope["path_params"]["app_id"], message)
        key = single(scope["headers"], b"idempotency-key")
        once = None if key is None else once_of(
            key=key, principal=principal, method="POST", path=scope["path"], query=b"", body=body,
            now=self._services.clock.now(), remember=_remember,
        )  # fmt: skip
        result = await self._services.ingest.accept(loaded, new, once)
        kept = _kept.decode(result.answer) if isinstance(result, Remembered) else _Kept(result.message.id, result.message.created_at)
        payload = NOTHING if not with_content else msgspec.Raw(shown) if new.content.body is shown else show_content(new.content)
        answer = MessageOut(
            kept.id, message.event_id, message.event_type, payload, message.channels, rfc3339(kept.created_at)
        )  # fmt: skip
        await respond(send, 202, _encode(answer), replayed=isinstance(result, Remembered))

    async def _application(self, principal: Principal, ref: str, message: MessageIn) -> LoadedApplication:
        """The application that the path names, made on the fly if the request brings it. Raises NotFound, Forbidden, Invalid."""
        loaded = await self._services.directory.application(principal.organization, ref)
        if loaded is None and message.application is not None:
            require(principal, "application:write")
            await create_on_the_fly(self._services, principal.organization, ref, message.application)
            loaded = await self._services.directory.application(principal.organization, ref)
        if loaded is None:
            raise NotFound
        return loaded


def _with_content(query: bytes) -> bool:
    """Raises Invalid."""
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"with_content":
            if value.lower() in _NO:
                return False
            if value.lower() not in _YES:
                raise Invalid.at("query", "with_content", msg="should be true or false", type="bool_parsing")
    return True


def _remember(created: Created) -> bytes:
    return _encode(_Kept(created.message.id, created.message.created_at))


async def read_body(receive: Receive, headers: dict[bytes, bytes], most: int) -> bytes:
    """The request's body, at most `most` bytes of it in memory. Raises PayloadTooLarge."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request":
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large(most)
    return b"".join(parts)


async def respond(send: Send, status: int, body: bytes, *, replayed: bool) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if replayed:
        headers.append((b"idempotency-replayed", b"true"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _operation() -> dict[str, Any]:
    answers: dict[str, Any] = {
        str(status): {
            "description": shape["description"],
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape['model'].__name__}"}}},
        }
        for status, shape in documented().items()
    }
    answers["202"] = {
        "description": "The message and all its deliveries are committed",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/MessageOut"}}},
    }
    return {
        "tags": ["Message"],
        "summary": "Create Message",
        "description": "Keeps the message and a delivery for every endpoint that wants it, then answers; sending follows at once.",
        "operationId": "v1.message.create",
        "security": [{SCHEME: []}],
        "parameters": [
            {"name": "app_id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The application's id or uid"},
            {
                "name": "with_content", "in": "query", "schema": {"type": "boolean", "default": True},
                "description": "Whether the answer shows the payload",
            },
            PARAMETER,
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/MessageIn"}}}},
        "responses": answers,
    }  # fmt: skip


OPERATION = _operation()
