"""`POST /api/v1/app/{app_id}/msg`: the one hot route, without FastAPI's machinery around it.

The body is decoded once; the payload stays the slice of bytes that the caller sent (`msgspec.Raw`), and those bytes are
what is stored, signed, sent and shown. A plain ASGI endpoint: its errors are raised and answered like everybody's.
"""

from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hookwright.api.applications import create_on_the_fly, read_application
from hookwright.api.auth import caller_of, require, require_organization, single
from hookwright.api.documents import HotRoute
from hookwright.api.hot import operation, read_body, respond
from hookwright.api.idempotency import once_of
from hookwright.api.message_models import NOTHING, show_content
from hookwright.api.message_new import SCHEMAS, decode_message, payload_of, read
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


class Kept(msgspec.Struct, array_like=True):
    """What an idempotency key remembers; the rest of the answer stands in the repeated request itself."""

    id: str
    created_at: int


_encode = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(Kept)


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
        message = decode_message(body)
        shown = payload_of(message)
        new = read(message, shown)
        loaded = await application_of(self._services, principal, scope["path_params"]["app_id"], message.application)
        key = single(scope["headers"], b"idempotency-key")
        once = None if key is None else once_of(
            key=key, principal=principal, method="POST", path=scope["path"], query=b"", body=body,
            now=self._services.clock.now(), remember=keep,
        )  # fmt: skip
        result = await self._services.ingest.accept(loaded, new, once)
        kept = kept_of(result)
        payload = NOTHING if not with_content else msgspec.Raw(shown) if new.content.body is shown else show_content(new.content)
        answer = MessageOut(
            kept.id, message.event_id, message.event_type, payload, message.channels, rfc3339(kept.created_at)
        )  # fmt: skip
        await respond(send, 202, _encode(answer), replayed=isinstance(result, Remembered))


async def application_of(services: Services, principal: Principal, ref: str, fresh: dict[str, Any] | None) -> LoadedApplication:
    """The application that the path names, made on the fly if the request brings it. Raises NotFound, Forbidden, Invalid."""
    body = None if fresh is None else read_application(fresh)
    loaded = await services.directory.application(principal.organization, ref)
    if loaded is None and body is not None:
        require(principal, "application:write")
        await create_on_the_fly(services, principal.organization, ref, body)
        loaded = await services.directory.application(principal.organization, ref)
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


def keep(created: Created) -> bytes:
    """What an idempotency key remembers of it."""
    return _encode(Kept(created.message.id, created.message.created_at))


def kept_of(result: Created | Remembered) -> Kept:
    return _kept.decode(result.answer) if isinstance(result, Remembered) else Kept(result.message.id, result.message.created_at)


OPERATION = operation(
    summary="Create Message",
    description="Keeps the message and a delivery for every endpoint that wants it, then answers; sending follows at once.",
    identity="v1.message.create",
    body="MessageIn",
    answers={"202": ("The message and all its deliveries are committed", "MessageOut")},
    parameters=[
        {
            "name": "with_content", "in": "query", "schema": {"type": "boolean", "default": True},
            "description": "Whether the answer shows the payload",
        },
    ],
)  # fmt: skip
