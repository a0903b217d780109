"""`POST /api/v1/app/{app_id}/msg/batch`: many messages in one request, each judged and answered by itself.

A hot route like `message_create`. Every message that is accepted is committed before the answer, one by one and not all
or none: a mistake in one of them is that one's answer. With an idempotency key a batch can be sent again as a whole after
any failure; what was kept of it the first time is not made twice.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hookwright.api.auth import caller_of, require_organization, single
from hookwright.api.documents import HotRoute
from hookwright.api.errors import shown_problems
from hookwright.api.hot import operation, read_body, respond
from hookwright.api.idempotency import once_of
from hookwright.api.message_create import application_of, keep, kept_of
from hookwright.api.message_new import MessageIn, decode, decode_message, payload_of, read
from hookwright.api.timestamps import rfc3339
from hookwright.domain.credentials import Principal
from hookwright.engine.credentials import Credentials
from hookwright.engine.ingest import NewMessage
from hookwright.engine.services import Services
from hookwright.errors import CallerError, Invalid, Problem, StoreUnavailable
from hookwright.store import Once, Remembered
from hookwright.store.endpoints import LoadedApplication
from hookwright.store.messages import Created

PATH = "/api/v1/app/{app_id}/msg/batch"
MAX_MESSAGES = 500


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
_Result = Created | Remembered | CallerError | StoreUnavailable


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
        items = [_read(raw, place) for place, raw in enumerate(batch.messages)]
        results = await self._accept(loaded, items, self._once(scope, principal, body))
        answers = [_shown(result, place, item) for place, (item, result) in enumerate(zip(items, results, strict=True))]
        repeated = all(isinstance(result, Remembered) for result in results)
        whole = all(isinstance(answer, _Accepted) for answer in answers)
        await respond(send, 202 if whole else 207, _encode(_BatchOut(answers)), replayed=repeated)

    def _once(self, scope: Scope, principal: Principal, body: bytes) -> Once[Created] | None:
        key = single(scope["headers"], b"idempotency-key")
        return None if key is None else once_of(
            key=key, principal=principal, method="POST", path=scope["path"], query=b"", body=body,
            now=self._services.clock.now(), remember=keep,
        )  # fmt: skip

    async def _accept(
        self, loaded: LoadedApplication, items: "Sequence[tuple[MessageIn, NewMessage] | Invalid]", once: Once[Created] | None
    ) -> list[_Result]:
        """What became of each. Raises StoreUnavailable when nothing was kept, Invalid for a key that was used for another batch."""
        accepting = {
            place: self._services.ingest.accept(loaded, item[1], once and _of_item(once, place))
            for place, item in enumerate(items)
            if not isinstance(item, Invalid)
        }
        outcomes = dict(zip(accepting, await asyncio.gather(*accepting.values(), return_exceptions=True), strict=True))
        results = [item if isinstance(item, Invalid) else outcomes[place] for place, item in enumerate(items)]
        for result in outcomes.values():
            if isinstance(result, BaseException) and not isinstance(result, CallerError | StoreUnavailable):
                raise result
            if isinstance(result, Invalid):  # a message that was read can only be refused like this for its key
                raise result
        unavailable = next((result for result in results if isinstance(result, StoreUnavailable)), None)
        if unavailable is not None and not any(isinstance(result, Created | Remembered) for result in results):
            raise unavailable
        return results  # type: ignore[return-value]  # all else was raised


def _read(raw: msgspec.Raw, place: int) -> "tuple[MessageIn, NewMessage] | Invalid":
    """The message at this place of the batch, or what is wrong with it."""
    try:
        message = decode_message(bytes(raw))
        if message.application is not None:
            raise Invalid.at("body", "application", msg="belongs beside `messages`, once for the whole batch")
        return message, read(message, payload_of(message))
    except Invalid as error:
        problems = (Problem((one.loc[0], "messages", str(place), *one.loc[1:]), one.msg, one.type) for one in error.problems)
        return Invalid(*problems)


def _of_item(once: Once[Created], place: int) -> Once[Created]:
    """A key of its own for each message: what was kept of a batch is remembered even if the rest of it was not."""
    return msgspec.structs.replace(once, key=hashlib.sha256(once.key + place.to_bytes(4, "big")).digest())


def _shown(result: _Result, place: int, item: "tuple[MessageIn, NewMessage] | Invalid") -> _Accepted | _Refused:
    if isinstance(result, Created | Remembered):
        assert not isinstance(item, Invalid)
        message, kept = item[0], kept_of(result)
        return _Accepted(kept.id, message.event_id, message.event_type, rfc3339(kept.created_at))
    if isinstance(result, Invalid):
        return _Refused(result.status, result.code, shown_problems(result.problems))
    if isinstance(result, StoreUnavailable):
        return _Refused(503, "unavailable", f"Nothing was stored: {result}")
    return _Refused(result.status, result.code, result.detail)


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
