"""`POST /api/v1/app/{app_id}/msg/batch`: many messages in one request, each judged and answered by itself.

A hot route like `message_create`. Every message that is accepted is committed before the answer: some at a time, each by
itself, so that a mistake in one of them is that one's answer. With an idempotency key a batch can be sent again as a whole
after any failure; what was kept of it the first time is not made twice.
"""

import hashlib
from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hookwright.api.auth import caller_of, require_organization, single
from hookwright.api.documents import HotRoute
from hookwright.api.errors import shown_problems
from hookwright.api.hot import operation, read_body, respond
from hookwright.api.idempotency import once_of
from hookwright.api.message_create import application_of
from hookwright.api.message_new import MessageIn, decode, decode_message, payload_of, read
from hookwright.api.timestamps import rfc3339
from hookwright.domain.credentials import Principal
from hookwright.engine.credentials import Credentials
from hookwright.engine.ingest import BatchResults, NewMessage
from hookwright.engine.services import Services
from hookwright.errors import CallerError, Invalid, NotFound, PayloadTooLarge, Problem, StoreUnavailable
from hookwright.store import Once, Remembered
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.messages import Created

PATH = "/api/v1/app/{app_id}/msg/batch"
MAX_MESSAGES = 500
MAX_DELIVERIES = 100_000
"""Of one request, some seconds of a database's work; the part of the batch that reaches it is the last that is kept."""
_ENOUGH = PayloadTooLarge(
    f"Nothing was stored: the messages before this one are {MAX_DELIVERIES} deliveries, as many as one batch may make."
    " Send the rest in another, or the whole again with its idempotency key"
)


class _BatchIn(msgspec.Struct):
    messages: list[msgspec.Raw]
    application: dict[str, Any] | None = None


class _Accepted(msgspec.Struct, rename="camel"):
    id: str
    event_id: str | None
    event_type: str
    timestamp: str
    status: int = 202


class _Refused(msgspec.Struct):
    status: int
    code: str
    detail: Any


class _BatchOut(msgspec.Struct):
    data: list[_Accepted | _Refused]


_decoder = msgspec.json.Decoder(_BatchIn)
_encode = msgspec.json.Encoder().encode
_Read = tuple[MessageIn, NewMessage]


class _Kept(msgspec.Struct, array_like=True, omit_defaults=True):
    """What an idempotency key remembers of one message: its id and time, or why it was refused."""

    id: str = ""
    created_at: int = 0
    refused: _Refused | None = None


_remembered = msgspec.json.Decoder(list[_Kept])


class CreateBatchRoute:
    """The ASGI endpoint. `max_body`: bytes of the whole request body."""

    __name__ = "create_batch"

    def __init__(self, services: Services, credentials: Credentials, max_body: int) -> None:
        self._services, self._credentials, self._max_body = services, credentials, max_body

    def hot_route(self) -> HotRoute:
        return HotRoute(Route(PATH, self, methods=["POST"]), PATH, {"post": OPERATION}, SCHEMAS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises CallerError; StoreUnavailable when nothing of the batch was kept."""
        principal = await caller_of(self._services, self._credentials, scope["headers"])
        require_organization(principal, "message:write")
        body = await read_body(receive, dict(scope["headers"]), self._max_body)
        batch = decode(body, _decoder)
        if not 1 <= len(batch.messages) <= MAX_MESSAGES:
            raise Invalid.at("body", "messages", msg=f"has {len(batch.messages)} entries; 1 to {MAX_MESSAGES} are accepted")
        loaded = await application_of(self._services, principal, scope["path_params"]["app_id"], batch.application)
        read = [_read(raw, place) for place, raw in enumerate(batch.messages)]
        sound = [one for one in read if not isinstance(one, Invalid)]
        kept, repeated = await self._accept(loaded, [new for _, new in sound], self._once(scope, principal, body))
        answers = iter([_answer(one, message) for one, (message, _) in zip(kept, sound, strict=True)])
        shown = [_refused(one) if isinstance(one, Invalid) else next(answers) for one in read]
        status = 202 if all(isinstance(one, _Accepted) for one in shown) else 207
        await respond(send, status, _encode(_BatchOut(shown)), replayed=repeated)

    def _once(self, scope: Scope, principal: Principal, body: bytes) -> Once[BatchResults] | None:
        key = single(scope["headers"], b"idempotency-key")
        return None if key is None else once_of(
            key=key, principal=principal, method="POST", path=scope["path"], query=b"", body=body,
            now=self._services.clock.now(), remember=_remember,
        )  # fmt: skip

    async def _accept(
        self, loaded: LoadedApplication, new_messages: list[NewMessage], once: Once[BatchResults] | None
    ) -> tuple[list[_Kept], bool]:
        """What became of each, and whether all of it was so before. Raises StoreUnavailable and NotFound when nothing was
        kept, Invalid for a key that was used for another batch.
        """
        kept: list[_Kept] = []
        repeated = bool(new_messages)
        deliveries = 0
        while left := len(new_messages) - len(kept):
            if deliveries >= MAX_DELIVERIES:
                return kept + [_Kept(refused=_refused(_ENOUGH))] * left, False
            try:
                some = await self._services.ingest.accept_some(loaded, new_messages[len(kept) :], once and _of_part(once, len(kept)))
            except (StoreUnavailable, NotFound) as error:
                if not kept:
                    raise
                refused = _refused(error) if isinstance(error, NotFound) else _Refused(503, "unavailable", f"Nothing was stored: {error}")
                return kept + [_Kept(refused=refused)] * left, False
            if isinstance(some, Remembered):
                kept += _remembered.decode(some.answer)
            else:
                kept += _kept(some)
                deliveries += sum(len(one.deliveries) for one in some if isinstance(one, Created))
                repeated = False
        return kept, repeated


def _read(raw: msgspec.Raw, place: int) -> _Read | Invalid:
    """The message at this place of the batch, or what is wrong with it."""
    try:
        message = decode_message(bytes(raw))
        if message.application is not None:
            raise Invalid.at("body", "application", msg="belongs beside `messages`, once for the whole batch")
        return message, read(message, payload_of(message))
    except Invalid as error:
        problems = (Problem((one.loc[0], "messages", str(place), *one.loc[1:]), one.msg, one.type) for one in error.problems)
        return Invalid(*problems)


def _of_part(once: Once[BatchResults], first: int) -> Once[BatchResults]:
    """A key of its own for each part, named by its first message: what was kept of a batch is remembered even if the rest was not."""
    return msgspec.structs.replace(once, key=hashlib.sha256(once.key + first.to_bytes(4, "big")).digest())


def _remember(results: BatchResults) -> bytes:
    return _encode(_kept(results))


def _kept(results: BatchResults) -> list[_Kept]:
    return [_Kept(one.message.id, one.message.created_at) if isinstance(one, Created) else _Kept(refused=_refused(one)) for one in results]


def _answer(kept: _Kept, message: MessageIn) -> _Accepted | _Refused:
    return kept.refused or _Accepted(kept.id, message.event_id, message.event_type, rfc3339(kept.created_at))


def _refused(error: CallerError) -> _Refused:
    return _Refused(error.status, error.code, shown_problems(error.problems) if isinstance(error, Invalid) else error.detail)


_TEXT = {"type": "string"}
SCHEMAS: dict[str, Any] = {
    "MessageBatchIn": {
        "type": "object",
        "required": ["messages"],
        "properties": {
            "messages": {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES, "items": {"$ref": "#/components/schemas/MessageIn"}},
            "application": {
                "anyOf": [{"$ref": "#/components/schemas/ApplicationIn"}, {"type": "null"}],
                "description": "Made if the path's application does not exist; its uid must be the path's",
            },
        },
    },
    "MessageBatchOut": {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/MessageBatchItemOut"}}},
    },
    "MessageBatchItemOut": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "integer", "description": "202: committed. Else what this message alone would have been answered"},
            "id": _TEXT,
            "eventId": {"type": ["string", "null"]},
            "eventType": _TEXT,
            "timestamp": {"type": "string", "format": "date-time"},
            "code": {"type": "string", "description": "Of a message that was refused"},
            "detail": {"description": "Why it was refused: a text, or for 422 a list of problems"},
        },
    },
}  # fmt: skip
OPERATION = operation(
    summary="Create Messages",
    description="Keeps each message that is in order and its deliveries, then answers for each of them in the order of the request.",
    identity="v1.message.create-batch",
    body="MessageBatchIn",
    answers={
        "202": ("All messages and their deliveries are committed", "MessageBatchOut"),
        "207": ("Some messages were refused, each for the reason at its place; the others are committed", "MessageBatchOut"),
    },
)
