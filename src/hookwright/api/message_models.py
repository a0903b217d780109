"""Messages and attempts on the wire.

The models document; what is sent is built by the `show_...` functions and encoded by msgspec, because lists of these
are long and a stored body is put into its answer as the bytes it is, without being taken apart.
"""

import base64
import codecs
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel
from starlette.responses import Response

from hookwright.api.pages import show_page
from hookwright.api.timestamps import TimeText, rfc3339
from hookwright.domain.attempts import Attempt
from hookwright.domain.deliveries import State, Status, Trigger
from hookwright.domain.messages import JSON, Content
from hookwright.domain.pages import Page
from hookwright.store.messages import EndpointMessage, FoundMessage

T = TypeVar("T")
STATUS_TEXTS = {
    State.SUCCESS: "success",
    State.PENDING: "pending",
    State.FAIL: "fail",
    State.SENDING: "sending",
    State.CANCELED: "canceled",
}
NOTHING = msgspec.Raw(b"{}")
EXPIRED = msgspec.Raw(b'{"expired":true}')
_utf8 = codecs.getincrementaldecoder("utf-8")


class MessageOut(BaseModel):
    """`payload` is `{}` when no content was asked for, and `{"expired": true}` once it is gone.

    A body that is not a JSON object is shown as `{"raw", "encoding": "utf-8" | "base64", "contentType"}`.
    """

    id: str
    eventId: str | None = None
    eventType: str
    payload: dict[str, Any]
    channels: list[str] | None = None
    timestamp: TimeText


class EndpointMessageOut(MessageOut):
    """`status`: 0 success, 1 pending, 2 fail, 3 sending, 4 canceled; `nextAttempt` while a retry is due."""

    status: int
    statusText: str
    nextAttempt: TimeText | None = None


class MessageAttemptOut(BaseModel):
    """`triggerType`: 0 by the schedule, 1 by hand. `responseStatusCode` is 0 when there was no answer."""

    id: str
    msgId: str
    endpointId: str
    url: str
    timestamp: TimeText
    status: int
    statusText: str
    triggerType: int
    response: str
    responseStatusCode: int
    responseDurationMs: int


class MessageCanceledOut(BaseModel):
    """How many deliveries were canceled; `sending`: how many a process has. Those in its queue are canceled soon, those that it sends end
    as they end.
    """

    canceled: int
    sending: int


class EmptyResponse(BaseModel):
    """`{}`."""


def json_response(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON)


def list_response(page: Page[T], show: Callable[[T], dict[str, Any]]) -> Response:
    shown = show_page(page, show)
    if shown["prevIterator"] is None:
        del shown["prevIterator"]
    return json_response(shown)


def show_message(found: FoundMessage, with_content: bool) -> dict[str, Any]:
    message = found.message
    return {
        "id": message.id,
        "eventId": message.event_id,
        "eventType": message.event_type,
        "payload": show_content(found.content) if with_content else NOTHING,
        "channels": message.channels,
        "timestamp": rfc3339(message.created_at),
    }


def show_endpoint_message(one: EndpointMessage, with_content: bool) -> dict[str, Any]:
    return show_message(one.found, with_content) | show_status(one.status)


def show_status(status: Status) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": status.state, "statusText": STATUS_TEXTS[status.state]}
    if status.next_attempt_at is not None:
        shown["nextAttempt"] = rfc3339(status.next_attempt_at)
    return shown


def show_content(content: Content | None) -> msgspec.Raw:
    """A body as JSON. One that says it is a JSON object is looked at before it is trusted to be one."""
    if content is None:
        return EXPIRED
    if content.content_type.partition(";")[0].strip().lower() == JSON and _is_object(content.body):
        return msgspec.Raw(content.body)
    raw, encoding = _text_of(content.body)
    return msgspec.Raw(msgspec.json.encode({"raw": raw, "encoding": encoding, "contentType": content.content_type}))


def show_attempt(attempt: Attempt, with_content: bool) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "msgId": attempt.key.message,
        "endpointId": attempt.key.endpoint,
        "url": attempt.url,
        "timestamp": rfc3339(attempt.started_at),
        "status": attempt.state,
        "statusText": STATUS_TEXTS[attempt.state],
        "triggerType": 0 if attempt.trigger is Trigger.SCHEDULED or not attempt.key.round else 1,
        "response": _utf8("replace").decode(attempt.response, final=not attempt.truncated) if with_content else "{}",
        "responseStatusCode": attempt.response_status,
        "responseDurationMs": attempt.duration_ms,
    }


def _is_object(body: bytes) -> bool:
    if not body.startswith(b"{"):
        return False
    try:
        body.decode("utf-8")
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _text_of(body: bytes) -> tuple[str, str]:
    try:
        return body.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode("ascii"), "base64"
