"""What a message to be created must look like: decoding, every rule, and where a mistake is."""

import re
from typing import Any, TypeVar

import msgspec

from hookwright.api.models import whole
from hookwright.domain.messages import JSON, MAX_NESTING, MAX_RETENTION_DAYS, Content
from hookwright.domain.names import MAX_CHANNEL, UID_PATTERN, is_name, uid_problem
from hookwright.domain.payloads import problem
from hookwright.engine.ingest import DAY, NewMessage
from hookwright.errors import Invalid, Problem

T = TypeVar("T")
MAX_CHANNELS = 5
MIN_RETENTION_DAYS = 5
HOUR = 3_600_000
_CONTENT_TYPE = re.compile(
    r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:[ \t]*;[ \t]*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|\"[^\"\\\x00-\x1f\x7f]*\"))*", re.ASCII
)
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\]]*)\]")


_ABSENT = msgspec.Raw(b"")  # `Raw | None` would take nothing but null


class TransformationsParams(msgspec.Struct, rename="camel"):
    """`rawPayload` replaces the body that is sent; `headers["content-type"]` says what it is."""

    raw_payload: str | None = None
    headers: dict[str, str] | None = None


class MessageIn(msgspec.Struct, rename="camel"):
    """The body of a request; the names on the wire are camelCase. `data` is another name of `payload`."""

    event_type: str
    payload: msgspec.Raw = _ABSENT
    data: msgspec.Raw = _ABSENT
    event_id: str | None = None
    channels: list[str] | None = None
    payload_retention_period: int | float | None = None
    payload_retention_hours: int | float | None = None
    transformations_params: TransformationsParams | None = None
    application: dict[str, Any] | None = None
    deliver_at: str | None = None


_decoder = msgspec.json.Decoder(MessageIn)


def decode_message(body: bytes) -> MessageIn:
    """Raises Invalid, as `decode`."""
    return decode(body, _decoder)


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises Invalid: not JSON, a field of the wrong type, a field that is missing."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Invalid(_located(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid.at("body", msg=f"The body is not JSON: {error}", type="value_error.jsondecode") from error
    except RecursionError as error:
        raise Invalid.at("body", msg=f"The body is nested too deep; at most {MAX_NESTING} levels", type="value_error.jsondecode") from error


def _located(text: str) -> Problem:
    """The decoder's message, with its JSON path as a location."""
    found = _PLACE.search(text)
    if found is None:
        return Problem(("body",), text)
    steps = tuple(name or index for name, index in _STEP.findall(found[1]))
    return Problem(("body", *steps), text[: found.start()])


def read(message: MessageIn, shown: bytes) -> NewMessage:
    """What ingest is asked for. `shown` is the payload's bytes. Raises Invalid with every problem there is."""
    problems: list[Problem] = []
    if not is_name(message.event_type):
        problems.append(_at("eventType", "an event type has 1 to 256 characters out of a-z, A-Z, 0-9, minus, underscore and dot"))
    if message.event_id is not None and (wrong := uid_problem(message.event_id, "msg")):
        problems.append(_at("eventId", wrong))
    problems += _channel_problems(message.channels)
    if message.deliver_at is not None:
        problems.append(_at("deliverAt", "delayed delivery is not available on this server; leave the field out"))
    content = _content(message.transformations_params, shown, problems)
    retention_ms = _retention(message, problems)
    if problems:
        raise Invalid(*problems)
    return NewMessage(
        event_type=message.event_type, content=content, event_id=message.event_id,
        channels=tuple(message.channels) if message.channels else None, retention_ms=retention_ms,
    )  # fmt: skip


def payload_of(message: MessageIn) -> bytes:
    """The payload's bytes as they were sent. Raises Invalid."""
    shown = bytes(message.payload) or bytes(message.data)
    if not shown:
        raise Invalid.at("body", "payload", msg="is required", type="missing")
    wrong = problem(shown, MAX_NESTING)
    if wrong is not None:
        raise Invalid.at("body", "payload", msg=wrong)
    return shown


def _at(field: str, msg: str) -> Problem:
    return Problem(("body", field), msg)


def _channel_problems(channels: list[str] | None) -> list[Problem]:
    if channels is None:
        return []
    problems = []
    if not 1 <= len(channels) <= MAX_CHANNELS:
        return [_at("channels", f"has {len(channels)} entries; 1 to {MAX_CHANNELS} are accepted")]
    if len(set(channels)) != len(channels):
        problems.append(_at("channels", "names a channel twice"))
    for index, channel in enumerate(channels):
        if len(channel) > MAX_CHANNEL or not is_name(channel):
            msg = "a channel has 1 to 128 characters out of a-z, A-Z, 0-9, minus, underscore and dot"
            problems.append(Problem(("body", "channels", str(index)), msg))
    return problems


def _content(params: TransformationsParams | None, shown: bytes, problems: list[Problem]) -> Content:
    if params is None or (params.raw_payload is None and not params.headers):
        return Content(shown)
    place = "transformationsParams"
    content_type = JSON
    for name, value in (params.headers or {}).items():
        if name.lower() == "content-type":
            content_type = value
    if len(content_type) > 256 or not _CONTENT_TYPE.fullmatch(content_type):
        problems.append(Problem(("body", place, "headers", "content-type"), "is not a media type; for example: text/plain; charset=utf-8"))
    try:
        body = shown if params.raw_payload is None else params.raw_payload.encode()
    except UnicodeEncodeError:
        problems.append(Problem(("body", place, "rawPayload"), "has a lone surrogate, which no encoding can carry"))
        body = b""
    return Content(body, content_type)


def _whole(field: str, value: float | None, problems: list[Problem]) -> int | None:
    """30.0 is the number 30 (RFC 8259 section 6); a fraction is a problem, and then taken as absent."""
    number = whole(value)
    if number is None or isinstance(number, int):
        return number
    problems.append(_at(field, "should be a whole number"))
    return None


def _retention(message: MessageIn, problems: list[Problem]) -> int:
    days = _whole("payloadRetentionPeriod", message.payload_retention_period, problems)
    hours = _whole("payloadRetentionHours", message.payload_retention_hours, problems)
    if days is not None and hours is not None:
        problems.append(_at("payloadRetentionHours", "cannot be given together with payloadRetentionPeriod"))
    if hours is not None:
        if not 1 <= hours <= MAX_RETENTION_DAYS * 24:
            problems.append(_at("payloadRetentionHours", f"is in hours, 1 to {MAX_RETENTION_DAYS * 24}"))
        return hours * HOUR
    if days is not None and not MIN_RETENTION_DAYS <= days <= MAX_RETENTION_DAYS:
        problems.append(_at("payloadRetentionPeriod", f"is in days, {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS}"))
    return (MAX_RETENTION_DAYS if days is None else days) * DAY


_NAME = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": UID_PATTERN}
_STRING_OR_NULL = {"type": ["string", "null"]}
SCHEMAS: dict[str, Any] = {
    "MessageIn": {
        "type": "object",
        "required": ["eventType", "payload"],
        "properties": {
            "eventType": {**_NAME, "examples": ["invoice.paid"]},
            "payload": {"type": "object", "description": "Sent byte for byte as it stands here", "examples": [{"id": "in_123"}]},
            "eventId": {**_NAME, "type": ["string", "null"], "description": "Unique in the application for as long as the message is kept"},
            "channels": {
                "type": ["array", "null"], "minItems": 1, "maxItems": MAX_CHANNELS, "uniqueItems": True,
                "items": {**_NAME, "maxLength": MAX_CHANNEL},
            },
            "payloadRetentionPeriod": {
                "type": ["integer", "null"], "minimum": MIN_RETENTION_DAYS, "maximum": MAX_RETENTION_DAYS,
                "description": "Days after which the payload is removed; 90 if neither this nor the hours are given",
            },
            "payloadRetentionHours": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_RETENTION_DAYS * 24},
            "transformationsParams": {
                "type": ["object", "null"],
                "properties": {
                    "rawPayload": {**_STRING_OR_NULL, "description": "Sent instead of the payload, byte for byte"},
                    "headers": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
                },
            },
            "application": {
                "anyOf": [{"$ref": "#/components/schemas/ApplicationIn"}, {"type": "null"}],
                "description": "Made if the path's application does not exist; its uid must be the path's",
            },
        },
    }
}  # fmt: skip
